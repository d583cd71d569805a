"""Text in whole lines: blocks of bounded memory from a stream, one charset behind them, and quotes for messages."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1024 * 1024
# a file without line ends must not fill the memory
MAX_LINE_BYTES = 64 * 1024 * 1024
QUOTE_CHARACTERS = 50
NEWLINE = 10

_AS_IT_STANDS = frozenset({"utf-8", "utf-8-sig", "ascii"})
_RECODED = frozenset({"iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"})


def blocks(stream: BinaryIO, charset: str, where: str) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a block's first line, from 1, and the block: whole lines in UTF-8, without byte order mark.

    Raises
    ------
    DataError : the charset is unknown, a line is too long, or the bytes are compressed
    """
    decoder = _decoder(charset, where)
    line, rest = 1, b""
    for position, piece in enumerate(iter(lambda: stream.read(BLOCK_BYTES), b"")):
        if position == 0 and piece.startswith(b"\x1f\x8b"):
            raise DataError(f"{where}: plain text is needed; got a gzip file")
        text = piece if decoder is None else _recode(decoder, piece, where)
        if position == 0:
            text = text.removeprefix(codecs.BOM_UTF8)
        end = text.rfind(b"\n") + 1
        if not end:
            rest += text
            if len(rest) > MAX_LINE_BYTES:
                raise DataError(
                    f"{where}, line {line}: at most {MAX_LINE_BYTES >> 20} MiB are needed; got a longer line"
                )
            continue
        block = b"".join((rest, memoryview(text)[:end]))
        rest = text[end:]
        # while the caller works, one copy of the bytes is enough
        del piece, text
        yield line, block
        # several times as fast as bytes.count
        line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == NEWLINE))
    if decoder is not None:
        rest += _recode(decoder, b"", where, final=True)
    if rest:
        yield line, rest


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


def _recode(decoder: codecs.IncrementalDecoder, piece: bytes, where: str, *, final: bool = False) -> bytes:
    try:
        return decoder.decode(piece, final).encode("utf-8", "replace")
    except UnicodeError as error:
        # UTF-16 and UTF-32 without a byte order mark, which no error handler of the codec replaces
        raise DataError(f"{where}: text of the charset is needed; got bytes where {error}") from error
