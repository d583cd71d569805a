"""The body of a request, collected while it arrives: of known length, or in chunks (RFC 9112, section 7.1)."""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
    NoMoreData,
    ParseException,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# of the line before a chunk, which may name extensions, and of all lines behind the last one
LINE_BYTES = 8190
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,15}")


class CollectedBody(io.BytesIO, ABC):
    """What has come of a body; the application reads it as a file.

    ended : whether no more of it is waited for
    whole : whether it came to its end, so that another request can follow
    size : bytes that it has at least
    """

    ended = False
    whole = False
    size = 0

    @abstractmethod
    def take(self, data: bytes) -> bytes:
        """Take over what belongs to the body; return what does not, or not yet."""


class LengthBody(CollectedBody):
    """A body whose length the head tells."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.size = self._missing = length
        self.ended = self.whole = length == 0

    def take(self, data: bytes) -> bytes:
        taken = self.write(data[: self._missing])
        self._missing -= taken
        self.ended = self.whole = self._missing == 0
        return data[taken:]


class ChunkedBody(CollectedBody):
    """A body in chunks.

    check_trailers : is given the lines after the last chunk, and raises ParseException where they are no headers
    """

    def __init__(self, check_trailers: Callable[[bytes], object]) -> None:
        super().__init__()
        self._check_trailers = check_trailers
        # of the chunk that is arriving
        self._missing = 0
        self._fault: Exception | None = NoMoreData()

    def take(self, data: bytes) -> bytes:
        start = 0
        try:
            while not self.ended:
                taken = self.write(data[start : start + self._missing])
                self._missing -= taken
                self.size += taken
                start += taken
                if self._missing or (after := self._pass_line(data, start)) is None:
                    break
                start = after
        except ParseException as fault:
            self._fault, self.ended = fault, True
        return data[start:]

    def read(self, size: int | None = -1, /) -> bytes:
        """Return so many bytes, all where it is negative.

        Raises
        ------
        ParseException : the chunks are malformed before that
        NoMoreData : the client has not sent as many
        """
        data = super().read(size)
        if self._fault is not None and (size is None or size < 0 or len(data) < size):
            raise self._fault
        return data

    def _pass_line(self, data: bytes, start: int) -> int | None:
        """Read what stands before a chunk or behind the last; return where that ends, None where it is not all here."""
        if self.size:
            if not b"\r\n".startswith(data[start : start + 2]):
                raise ChunkMissingTerminator(data[start : start + 2])
            start += 2
        end = data.find(b"\r\n", start)
        if end < 0:
            if len(data) - start > LINE_BYTES:
                raise InvalidChunkSize(b"line over %d bytes with no terminator" % LINE_BYTES)
            return None
        self._missing = _chunk_size(data[start:end])
        return end + 2 if self._missing else self._pass_trailers(data, end)

    def _pass_trailers(self, data: bytes, start: int) -> int | None:
        """Go on from the end of the line that announces no more chunks."""
        end = data.find(b"\r\n\r\n", start)
        trailers = data[start + 2 : max(start + 2, end)] if end >= 0 else data[start + 2 :]
        if trailers.count(b"\n") != trailers.count(b"\r\n"):
            raise InvalidHeader("bare LF as line terminator")
        if end < 0:
            if len(trailers) > LINE_BYTES:
                raise LimitRequestHeaders("limit request trailer section size")
            return None
        if trailers:
            self._check_trailers(trailers)
        self._fault, self.ended, self.whole = None, True, True
        return end + 4


def _chunk_size(line: bytes) -> int:
    digits, semicolon, extension = line.partition(b";")
    if semicolon:
        digits = digits.rstrip(b" \t")
    if not _HEXADECIMAL.fullmatch(digits):
        raise InvalidChunkSize(digits)
    if not CHUNK_EXT_RE.fullmatch(semicolon + extension):
        raise InvalidChunkExtension("invalid chunk extension")
    return int(digits, 16)
