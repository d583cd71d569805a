"""Arbitrary bytes end in rows or in a sentence about the data, never in another error."""

import io
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.channels.decoded import plain
from sagecask.channels.wrapped import wrapped
from sagecask.errors import DataError
from sagecask.formats.framing import MAGIC, frame
from sagecask.formats.images import label_text, listed, packed, unpack
from sagecask.formats.spool import spooled

WHERE = 'channel "train", train_0'


def stream(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def spool(data: bytes) -> Iterable[bytes]:
    with spooled(stream(data)) as files:
        return [file.read() for file in files]


READERS: dict[str, Callable[[bytes], Iterable[object]]] = {
    "wrapped objects": lambda data: [each.stream.read() for each in wrapped(stream(data), WHERE)],
    "image records": lambda data: list(packed(stream(data), WHERE)),
    "image payload": lambda data: [unpack(data, WHERE)],
    "image list": lambda data: list(listed(stream(data), WHERE)),
    "label text": lambda data: label_text(data, WHERE),
    "gzip": lambda data: [plain(stream(data), WHERE).read()],
    "parquet files": spool,
}
PIECES = st.sampled_from(
    [MAGIC, b"\x1f\x8b\x08\x00", b"\x00\x00\x00\x20", b"\x08\x00\x00\x60", b"PAR1", b"1\t0\ta\n", b"["]
)


@pytest.mark.parametrize("reader", READERS)
@given(data=st.lists(st.binary(max_size=40) | PIECES, max_size=8).map(b"".join))
def test_arbitrary_bytes_are_read_or_refused(reader: str, data: bytes):
    try:
        READERS[reader](data)
    except DataError as error:
        assert str(error).startswith(WHERE)


@given(st.lists(st.binary(max_size=100)))
def test_wrapped_objects_are_read_back(objects: list[bytes]):
    data = b"".join(map(frame, objects))
    assert [each.stream.read() for each in wrapped(stream(data), WHERE)] == objects


@given(st.lists(st.binary(max_size=30).map(lambda part: part + bytes(-len(part) % 4)), min_size=2, max_size=4))
def test_parts_of_a_wrapped_object_are_joined_with_the_magic(parts: list[bytes]):
    flags = [1, *[2] * (len(parts) - 2), 3]
    words = [(flag << 29 | len(part)).to_bytes(4, "little") for flag, part in zip(flags, parts, strict=True)]
    data = b"".join(MAGIC + word + part for word, part in zip(words, parts, strict=True))
    assert [each.stream.read() for each in wrapped(stream(data + frame(b"next")), WHERE)] == [
        MAGIC.join(parts),
        b"next",
    ]


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1), st.data())
def test_objects_read_in_part_are_skipped_to_their_ends(objects: list[bytes], data: st.DataObject):
    seen = [
        each.stream.read(data.draw(st.integers(0, 60)))
        for each in wrapped(stream(b"".join(map(frame, objects))), WHERE)
    ]
    assert all(whole.startswith(part) for whole, part in zip(objects, seen, strict=True))
