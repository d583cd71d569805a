"""Text in whole lines: blocks of bounded memory from a stream, one charset behind them, and quotes for messages."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from sagecask.errors import DataError
from sagecask.native import core

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

BLOCK_BYTES = 1024 * 1024
# a file without line ends must not fill the memory
MAX_LINE_BYTES = 64 * 1024 * 1024
# where the last line of a block mostly begins
LINE_BYTES = 4096
QUOTE_CHARACTERS = 50
NEWLINE = 10
GZIP = b"\x1f\x8b"

_AS_IT_STANDS = frozenset({"utf-8", "utf-8-sig", "ascii"})
_RECODED = frozenset({"iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"})


def blocks(stream: BinaryIO, charset: str, where: str) -> Iterator[tuple[int, bytes]]:
    """Yield what `views` does, as bytes."""
    return ((line, bytes(view)) for line, view in views(stream, charset, where))


def views(stream: BinaryIO, charset: str, where: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the number of a block's first line, from 1, and the block: whole lines in UTF-8, without byte order mark.

    Raises
    ------
    DataError : the charset is unknown, a line is too long, or the bytes are compressed
    """
    decoder = _decoder(charset, where)
    line, rest, first = 1, b"", True
    while True:
        text, head = _more(rest, stream, decoder, where)
        if first and head == GZIP:
            raise DataError(f"{where}: plain text is needed; got a gzip file")
        if first and bytes(text[:3]) == codecs.BOM_UTF8:
            text = text[3:]
        first = False
        end = _last_line_end(text) if head else len(text)
        rest = bytes(text[end:])
        if end:
            yield line, text[:end]
            line += _line_ends(text[:end])
        elif len(rest) > MAX_LINE_BYTES:
            raise DataError(f"{where}, line {line}: at most {MAX_LINE_BYTES >> 20} MiB are needed; got a longer line")
        # not kept alive while the next one is read
        del text
        if not head:
            return


def utf8(body: bytes, charset: str, where: str) -> bytes:
    """Return a whole text in UTF-8, without byte order mark.

    Raises
    ------
    DataError : the charset is unknown, or the bytes are not of it
    """
    decoder = _decoder(charset, where)
    text = body if decoder is None else _recode(decoder, body, where, final=True)
    return text.removeprefix(codecs.BOM_UTF8)


def printable(text: object) -> str:
    """Return a text, such as another library's error, with what cannot be printed escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text))


def quote(text: str) -> str:
    """Return the start of a text in quotation marks, what cannot be printed escaped."""
    return f'"{printable(text[:QUOTE_CHARACTERS])}"'


def _decoder(charset: str, where: str) -> codecs.IncrementalDecoder | None:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        name = ""
    if name in _AS_IT_STANDS:
        return None
    if name in _RECODED:
        return codecs.getincrementaldecoder(name)(errors="replace")
    raise DataError(f"{where}: a charset such as utf-8, iso-8859-1 or utf-16 is needed; got {quote(charset)}")


def _more(
    rest: bytes, stream: BinaryIO, decoder: codecs.IncrementalDecoder | None, where: str
) -> tuple[memoryview, bytes]:
    """Return the rest with the text that comes next behind it, and the first bytes read, none at the end."""
    if decoder is not None:
        piece = stream.read(BLOCK_BYTES)
        return memoryview(rest + _recode(decoder, piece, where, final=not piece)), piece[: len(GZIP)]
    # read to where they stay: a second copy into fresh memory cost as much as half of the parsing
    text = np.empty(len(rest) + BLOCK_BYTES, np.uint8).data
    text[: len(rest)] = rest
    got = cast("io.BufferedIOBase", stream).readinto(text[len(rest) :])
    return text[: len(rest) + got], bytes(text[len(rest) : len(rest) + min(got, len(GZIP))])


def _last_line_end(text: memoryview) -> int:
    """Return the offset behind the last line feed, 0 where there is none."""
    for size in (min(LINE_BYTES, len(text)), len(text)):
        at = bytes(text[len(text) - size :]).rfind(b"\n")
        if at >= 0:
            return len(text) - size + at + 1
    return 0


def _line_ends(lines: memoryview) -> int:
    if core is not None:
        return core.count_lines(lines)
    return int(np.count_nonzero(np.frombuffer(lines, np.uint8) == NEWLINE))


def _recode(decoder: codecs.IncrementalDecoder, piece: bytes, where: str, *, final: bool = False) -> bytes:
    try:
        return decoder.decode(piece, final).encode("utf-8", "replace")
    except UnicodeError as error:
        # UTF-16 and UTF-32 without a byte order mark, which no error handler of the codec replaces
        raise DataError(f"{where}: text of the charset is needed; got bytes where {error}") from error
