"""Parquet from a pipe: a file's directory stands at its end, so nothing can be read before all of it is there."""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

MAGIC = b"PAR1"
# up to here it stays in memory; beyond, on disk
MEMORY_BYTES = 32 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024


@contextmanager
def spooled(stream: BinaryIO) -> Iterator[list[BinaryIO]]:
    """Give the Parquet files of a stream, one after the other without a border, each as a file that can seek."""
    # the folder for temporary files is the job's own (TMPDIR)
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as file:
        borders, size = _copy(stream, file)
        ends = [0]
        for border in borders:
            if _is_file(file, ends[-1], border):
                ends.append(border)
        windows = [_Window(file, start, end) for start, end in pairwise([*ends, size])]
        yield [io.BufferedReader(window) for window in windows]


def _copy(stream: BinaryIO, file: tempfile.SpooledTemporaryFile[bytes]) -> tuple[list[int], int]:
    """Return where one file may end and the next begin, since both do with the magic, and the size of all."""
    borders, size, rest = [], 0, b""
    while block := stream.read(_BLOCK_BYTES):
        file.write(block)
        text = rest + block
        at = text.find(MAGIC + MAGIC)
        while at >= 0:
            borders.append(size - len(rest) + at + len(MAGIC))
            at = text.find(MAGIC + MAGIC, at + 1)
        size += len(block)
        rest = text[-2 * len(MAGIC) + 1 :]
    return borders, size


def _is_file(file: tempfile.SpooledTemporaryFile[bytes], start: int, end: int) -> bool:
    """Return whether a whole Parquet file lies there; the magic may also occur within one."""
    try:
        pq.read_metadata(io.BufferedReader(_Window(file, start, end)))
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: tempfile.SpooledTemporaryFile[bytes], start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._size = end - start
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._start + self._position)
        piece = self._file.read(max(0, min(len(view), self._size - self._position)))
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
