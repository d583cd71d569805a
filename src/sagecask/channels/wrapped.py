"""Objects in a pipe that the platform has wrapped in RecordIO records, one each (API Channel, RecordWrapperType)."""

from __future__ import annotations

import io
from itertools import count
from typing import TYPE_CHECKING

from sagecask.channels.channel import DataObject
from sagecask.errors import DataError
from sagecask.formats.framing import FIRST, LAST, MAGIC, MIDDLE, WHOLE, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

_BUFFER_BYTES = 1024 * 1024


def wrapped(stream: io.BufferedReader, where: str) -> Iterator[DataObject]:
    """Yield each object as a stream of its own, so that its size is no matter; objects count from 1.

    Raises
    ------
    DataError : the bytes are no RecordIO, or end within an object
    """
    for number in count(1):
        place = f"{where}, object {number}"
        head = read_head(stream, place)
        if head is None:
            return
        payload = _Payload(stream, place, *head)
        yield DataObject(place, io.BufferedReader(payload, min(_BUFFER_BYTES, max(head[1], 4096))))
        payload.skip()


class _Payload(io.RawIOBase):
    """The payload of one record, its parts joined with the magic that the writer took out between them."""

    def __init__(self, stream: io.BufferedReader, where: str, flag: int, length: int) -> None:
        if flag not in {WHOLE, FIRST}:
            raise DataError(f"{where}: a first part is needed; got a later one (flag {flag})")
        self._stream = stream
        self._where = where
        self._last = flag == WHOLE
        self._begin(length)
        self._between = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._left and not self._between:
            if not self._next_part():
                return 0
        if self._between:
            got = min(len(view), len(self._between))
            view[:got], self._between = self._between[:got], self._between[got:]
            return got
        got = self._stream.readinto(view[: self._left])
        self._left -= got
        if not got:
            raise self._cut_off(self._length - self._left)
        return got

    def skip(self) -> None:
        """Move on to the next record, whatever of this one has been read."""
        scratch = bytearray(64 * 1024)
        while self.readinto(scratch):
            pass

    def _begin(self, length: int) -> None:
        self._left = self._length = length
        self._padding = -length % 4

    def _next_part(self) -> bool:
        """Go past the padding and to the next part; False after the last one."""
        padding = self._stream.read(self._padding)
        if len(padding) < self._padding:
            raise self._cut_off(self._length + len(padding))
        self._padding = 0
        if self._last:
            return False
        head = read_head(self._stream, self._where)
        if head is None or head[0] not in {MIDDLE, LAST}:
            got = "the end" if head is None else f"flag {head[0]}"
            raise DataError(f"{self._where}: a middle or last part is needed; got {got}")
        self._last = head[0] == LAST
        self._between = MAGIC
        self._begin(head[1])
        return True

    def _cut_off(self, got: int) -> DataError:
        padded = self._length + -self._length % 4
        return DataError(f"{self._where}: {padded} bytes of payload and padding are needed; got {got} until the end")
