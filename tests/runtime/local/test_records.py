import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError
from sagecask.local.records import pieces


def framed(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def cut(content: bytes, split: str, strategy: str = "MULTI_RECORD", max_bytes: int = 100):
    return [(p.body, p.first, p.last, p.covered) for p in pieces(io.BytesIO(content), split, strategy, max_bytes)]


def test_unsplit_file_is_one_request():
    assert cut(b"a\nb\n", "None", "SINGLE_RECORD") == [(b"a\nb\n", 1, 1, 4)]


def test_unsplit_file_over_the_limit_is_refused():
    with pytest.raises(DataError) as caught:
        cut(b"abcdef", "None", max_bytes=5)
    assert str(caught.value) == "must have at most 5 bytes where it is not split; got more"


def test_single_record_sends_each_line_with_its_end():
    assert cut(b"a\nbb\nc", "Line", "SINGLE_RECORD") == [(b"a\n", 1, 1, 2), (b"bb\n", 2, 2, 3), (b"c", 3, 3, 1)]


def test_multi_record_fills_requests_with_whole_lines():
    assert cut(b"aa\nbb\ncccc\nd\n", "Line", max_bytes=7) == [(b"aa\nbb\n", 1, 2, 6), (b"cccc\nd\n", 3, 4, 7)]


def test_line_over_the_limit_is_refused_by_number():
    with pytest.raises(DataError) as caught:
        cut(b"a\nbbbbbb\n", "Line", max_bytes=5)
    assert str(caught.value) == "record 2: must have at most 5 bytes; got more"


def test_record_io_keeps_frames_of_many_and_strips_that_of_one():
    content = framed(b"abc") + framed(b"defg")
    assert cut(content, "RecordIO") == [(content, 1, 2, 24)]
    assert cut(content, "RecordIO", "SINGLE_RECORD") == [(b"abc", 1, 1, 12), (b"defg", 2, 2, 12)]


def test_record_io_without_magic_is_refused():
    with pytest.raises(DataError) as caught:
        cut(framed(b"abc") + b"12345678", "RecordIO")
    assert str(caught.value) == ("record 2: must begin with the RecordIO magic and a length; got 3132333435363738")


def test_record_io_cut_short_is_refused():
    with pytest.raises(DataError) as caught:
        cut(framed(b"abcdef")[:-4], "RecordIO")
    assert str(caught.value) == "record 1: must have 6 bytes and its padding; got 4 bytes"


def tfrecord(payload: bytes) -> bytes:
    return struct.pack("<QI", len(payload), 1) + payload + struct.pack("<I", 2)


def test_tfrecord_keeps_frames_of_many_and_strips_that_of_one():
    content = tfrecord(b"abc") + tfrecord(b"")
    assert cut(content, "TFRecord") == [(content, 1, 2, 35)]
    assert cut(content, "TFRecord", "SINGLE_RECORD") == [(b"abc", 1, 1, 19), (b"", 2, 2, 16)]


def test_damaged_tfrecord_is_refused():
    with pytest.raises(DataError) as caught:
        cut(tfrecord(b"abc") + b"short", "TFRecord")
    assert str(caught.value) == "record 2: must begin with the length of a TFRecord; got 73686f7274"
    with pytest.raises(DataError) as caught:
        cut(tfrecord(b"abcdef")[:-4], "TFRecord")
    assert str(caught.value) == "record 1: must have 6 bytes and a checksum; got 6 bytes"


def test_cut_goes_on_where_the_stream_stands():
    stream = io.BytesIO(b"aa\nbb\ncc\n")
    stream.seek(3)
    found = [(piece.body, piece.first, piece.last) for piece in pieces(stream, "Line", "SINGLE_RECORD", 100, 2)]
    assert found == [(b"bb\n", 2, 2), (b"cc\n", 3, 3)]


def test_no_limit_is_one_request():
    (piece,) = pieces(io.BytesIO(b"aa\nbb\n"), "Line", "MULTI_RECORD", None)
    assert (piece.body, piece.last) == (b"aa\nbb\n", 2)


def test_empty_input_split_by_line_sends_nothing():
    assert cut(b"", "Line") == []


@given(
    st.lists(st.binary(max_size=12).map(lambda body: body.replace(b"\n", b"") + b"\n"), max_size=30),
    st.integers(13, 60),
    st.sampled_from(["SINGLE_RECORD", "MULTI_RECORD"]),
)
def test_pieces_by_line_are_the_whole_input_in_order(lines, max_bytes, strategy):
    content = b"".join(lines)
    found = cut(content, "Line", strategy, max_bytes)
    assert b"".join(body for body, *_ in found) == content
    assert all(len(body) <= max_bytes for body, *_ in found)
    assert [first for _, first, _, _ in found][1:] == [last + 1 for _, _, last, _ in found][:-1]
    assert sum(covered for *_, covered in found) == len(content)
