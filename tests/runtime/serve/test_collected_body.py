"""Bodies that arrive in any pieces are read as gunicorn reads them from a file."""

from __future__ import annotations

import time

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from sagecask.serve.collected_body import ChunkedBody, LengthBody

HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def by_gunicorn(sent: bytes) -> tuple[bytes, bytes] | None:
    """The body and what follows it; None where it is malformed or cut off."""
    parser = RequestParser(Config(), iter([HEAD + sent]), ("10.0.0.1", 5))
    try:
        return next(parser).body.read(), parser.unreader.take_buffered()
    except (ParseException, NoMoreData):
        return None


def collected(sent: bytes, piece: int) -> tuple[bytes, bytes] | None:
    request = next(RequestParser(Config(), iter([HEAD]), ("10.0.0.1", 5)))
    body, rest = ChunkedBody(lambda lines: request.parse_headers(lines, from_trailer=True)), b""
    for start in range(0, len(sent), piece):
        if body.ended:
            rest += sent[start:]
            break
        rest = body.take(rest + sent[start : start + piece])
    body.seek(0)
    try:
        read = body.read()
    except (ParseException, NoMoreData):
        assert not body.whole
        return None
    assert body.whole
    assert body.size == len(read)
    return read, rest


@pytest.mark.parametrize(
    "sent",
    [
        b"0\r\n\r\n" + NEXT,
        b"4\r\n0,1\n\r\n0\r\n\r\n" + NEXT,
        b'004;a=b ; c="d;\\""\r\n0,1\n\r\nA\r\n0123456789\r\n00\r\nX-A: 1\r\nX-B: 2\r\n\r\n' + NEXT,
        b"2\r\n\r\n\r\n0\r\n\r\n",
        b"",
        b"\r\n",
        b"4",
        b"4\r\n0,",
        b"4\r\n0,1\n",
        b"4\r\n0,1\n\r\n0\r\n",
        b"4\r\n0,1\n\r\n0\r\nX-A: 1\r\n",
        b"4\r\n0,1\nX\r\n0\r\n\r\n",
        b"4\r\n0,1\n\rX0\r\n\r\n",
        b"zz\r\n0\r\n\r\n",
        b"-4\r\n0\r\n\r\n",
        b"0x4\r\n0,1\n\r\n0\r\n\r\n",
        b" 4\r\n0,1\n\r\n0\r\n\r\n",
        b"4 \r\n0,1\n\r\n0\r\n\r\n",
        b"4 ;a\r\n0,1\n\r\n0\r\n\r\n",
        b"4;\r\n0,1\n\r\n0\r\n\r\n",
        b"4;a=\n\r\n0,1\n\r\n0\r\n\r\n",
        b"4\n0,1\n\r\n0\r\n\r\n",
        b"0\r\nX-A: 1\nX-B: 2\r\n\r\n",
        b"0\r\nno header\r\n\r\n",
        b"0\r\nContent-Length: 4\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0;" + b"a" * 10_000,
        b"0\r\nX: " + b"a" * 20_000,
    ],
    ids=lambda sent: repr(sent)[:40],
)
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1_000_000])
def test_chunks_are_read_as_gunicorn_reads_them(sent, piece):
    assert collected(sent, piece) == by_gunicorn(sent)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    cut=st.integers(0, 400),
    flipped=st.tuples(st.integers(0, 400), st.integers(0, 255)),
    piece=st.integers(1, 60),
)
def test_damaged_chunks_are_read_as_gunicorn_reads_them(chunks, cut, flipped, piece):
    sent = bytearray(b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n" + NEXT)
    if flipped[0] < len(sent):
        sent[flipped[0]] = flipped[1]
    assert collected(bytes(sent[:cut]), piece) == by_gunicorn(bytes(sent[:cut]))


def test_reading_what_has_come_of_chunks_is_no_error_until_more_is_asked_for():
    body = ChunkedBody(lambda _: None)
    assert body.take(b"4\r\n0,1\n\r\n8\r\n0,") == b""
    body.seek(0)
    assert (body.size, body.read(3), body.read(3), body.ended) == (6, b"0,1", b"\n0,", False)
    with pytest.raises(NoMoreData):
        body.read(1)


def test_body_of_known_length_leaves_what_follows_it():
    body = LengthBody(6)
    assert body.take(b"0,1") == b""
    assert (body.size, body.ended, body.whole) == (6, False, False)
    assert body.take(b".5\n" + NEXT) == NEXT
    assert body.whole
    assert body.getvalue() == b"0,1.5\n"


@pytest.mark.alone
def test_many_small_chunks_take_time_in_proportion_to_their_number():
    def seconds(count: int) -> float:
        body, rest, sent = ChunkedBody(lambda _: None), b"", b"1\r\n1\r\n" * count + b"0\r\n\r\n"
        began = time.process_time()
        for start in range(0, len(sent), 65536):
            rest = body.take(rest + sent[start : start + 65536])
        assert body.whole
        return time.process_time() - began

    # eight times as many
    assert seconds(400_000) < 24 * seconds(50_000)
