"""A stream of RecordIO records, looked at many records at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from sagecask.native.interface import CUT, ODD

if TYPE_CHECKING:
    import io

    from sagecask.native.interface import Core

PIECE_BYTES = 128 * 1024


class Ahead:
    """Hands out whole records at once where it can, and single bytes where not; nothing is lost in between."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = cast("io.BufferedIOBase", stream)
        self._buffer = bytearray()
        # what is read and not handed out yet
        self._start = self._end = 0
        # bytes that were handed out last, and how many to have before they are looked at
        self._size = self._expected = 0

    def frames(self, core: Core, max_records: int, max_bytes: int) -> tuple[int, memoryview | None]:
        """Return the number and bytes of the records that come next, or None where those need a closer look.

        There are `max_records`, or as many as have payloads of `max_bytes`; fewer at the end. The bytes are good until
        the next call.
        """
        while True:
            waiting = memoryview(self._buffer)[self._start : self._end]
            count, size, why = core.frames(waiting, max_records, max_bytes)
            more = max(max_bytes, len(waiting) * 5 // 4) + PIECE_BYTES
            if why == CUT and self._fill(self._expected if self._expected > len(waiting) else more):
                continue
            # at the end, a record that is cut off
            if why == ODD or not count or (why == CUT and size < len(waiting)):
                return 0, None
            self._start += size
            # as much again comes next, mostly: what is read beyond it has to be moved
            self._expected = size if size == self._size else size + PIECE_BYTES
            self._size = size
            return count, waiting[:size]

    def read(self, size: int = -1) -> bytes:
        """Return the bytes that come next."""
        if self._start < self._end:
            stop = self._end if size < 0 else min(self._end, self._start + size)
            piece = bytes(memoryview(self._buffer)[self._start : stop])
            self._start = stop
            return piece
        return self._stream.read(size)

    def _fill(self, size: int) -> bool:
        """Read until as much waits; False where nothing more comes."""
        waiting = self._end - self._start
        # twice as long where one is too short, so that a long record is not moved over and over
        buffer = self._buffer if size <= len(self._buffer) else bytearray(2 * size if self._buffer else size)
        if self._start or buffer is not self._buffer:
            buffer[:waiting] = memoryview(self._buffer)[self._start : self._end]
        self._buffer, self._start = buffer, 0
        self._end = waiting + self._stream.readinto(memoryview(buffer)[waiting:size])
        return self._end > waiting
