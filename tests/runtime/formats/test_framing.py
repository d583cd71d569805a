import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.formats.framing import MAGIC, MAX_PART_BYTES, frame, records


class Trickle(io.BytesIO):
    """A stream that hands out at most three bytes at a time, as a pipe may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 3) if size and size > 0 else 3)


def part(flag: int, payload: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


def read(data: bytes) -> list[bytes]:
    return list(records(io.BytesIO(data), "f"))


def fault(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(data)
    return str(caught.value)


def test_empty_payload_is_legal():
    assert frame(b"") == bytes.fromhex("0a23d7ce00000000")
    assert read(bytes.fromhex("0a23d7ce00000000")) == [b""]


def test_end_on_a_border_is_the_end():
    assert read(b"") == []


@given(st.lists(st.binary(max_size=40)))
def test_what_is_framed_is_read_in_one_piece_or_in_drops(payloads: list[bytes]):
    data = b"".join(map(frame, payloads))
    assert len(data) % 4 == 0
    assert read(data) == payloads
    assert list(records(Trickle(data), "f")) == payloads


def test_parts_are_joined_with_the_magic_put_back():
    data = part(0, b"before") + part(1, b"abcd") + part(2, b"") + part(2, b"12345678") + part(3, b"xy") + part(0, b"z")
    assert read(data) == [b"before", MAGIC.join([b"abcd", b"", b"12345678", b"xy"]), b"z"]


def test_whole_record_may_hold_the_magic():
    payload = b"abcd" + MAGIC + b"efgh"
    assert read(frame(payload) + frame(b"next")) == [payload, b"next"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abcdefgh", "f, record 1: the RecordIO magic 0a23d7ce is needed; got 61626364"),
        (frame(b"x") + b"ab", "f, record 2: the RecordIO magic 0a23d7ce is needed; got 6162"),
        (MAGIC + b"\1", "f, record 1: a length word of 4 bytes is needed; got 1 bytes until the end"),
        (frame(b"x" * 9)[:-4], "f, record 1: 12 bytes of payload and padding are needed; got 8 until the end"),
        (frame(b"x")[:-1], "f, record 1: 4 bytes of payload and padding are needed; got 3 until the end"),
        (
            part(0, b"")[:4] + b"\xff\xff\xff\x1f",
            "f, record 1: 536870912 bytes of payload and padding are needed; got 0 until the end",
        ),
        (part(5, b"abcd"), "f, record 1: a continuation flag from 0 to 3 is needed; got 5"),
        (part(3, b"abcd"), "f, record 1: a first part is needed; got a later one (flag 3)"),
        (part(1, b"abcd"), "f, record 1: a middle or last part is needed; got the end"),
        (part(1, b"abcd") + part(0, b""), "f, record 1: a middle or last part is needed; got flag 0"),
    ],
)
def test_damage_is_named(data: bytes, message: str):
    assert fault(data) == message


def test_payload_beyond_the_length_word_is_refused():
    with pytest.raises(ValueError, match="536870911"):
        frame(bytes(MAX_PART_BYTES + 1))
