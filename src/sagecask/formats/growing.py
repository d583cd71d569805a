"""An array that grows at its end: what is in it is not copied again, and no more memory is touched than it fills."""

from __future__ import annotations

import math
import mmap
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

# addresses alone, so that nothing is moved up to there; a process whose addresses are limited starts small
RESERVED_BYTES = 64 * 1024**3
FIRST_BYTES = 16 * 1024 * 1024

# Linux has it under this number on x86 and ARM, Python has no name for it
_NORESERVE = 0x4000 if sys.platform == "linux" else 0


class Growing:
    """Rows of one dtype and shape; the system moves their pages, not their bytes, where they need another place."""

    def __init__(self, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._count = self._used = 0
        self._memory = _reserved()

    def lend(self, count: int) -> NDArray[Any]:
        """Return the place of the next rows, to be filled: `append` does not copy those that stand there already.

        Good until the next call of a method, and to be let go by then.

        Raises
        ------
        MemoryError : there is not enough
        """
        shape = count, *self._row_shape
        items = math.prod(shape)
        needed = self._used + items * self._dtype.itemsize
        if needed > len(self._memory):
            self._grow(needed)
        return np.frombuffer(self._memory, self._dtype, items, self._used).reshape(shape)

    def append(self, rows: NDArray[Any]) -> None:
        """Copy rows to the end.

        Raises
        ------
        ValueError : their shape is another
        MemoryError : there is not enough
        """
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {self._row_shape} are needed; got {rows.shape[1:]}")
        place = self.lend(len(rows))
        if not _same(place, rows):
            place[...] = rows
        self._used += place.nbytes
        self._count += len(rows)

    def array(self) -> NDArray[Any]:
        """Return (n_rows, *row_shape), writable; nothing is appended afterwards."""
        # what is still lent keeps the memory as it is
        with suppress(BufferError, OSError, SystemError):
            self._memory.resize(max(self._used, 1))
        flat = np.frombuffer(self._memory, self._dtype, self._used // self._dtype.itemsize)
        return flat.reshape(self._count, *self._row_shape)

    def _grow(self, needed: int) -> None:
        # addresses cost nothing, moving pages does; but the former may be limited
        for size in (4 * needed, needed):
            try:
                self._memory.resize(size)
            except OSError:
                continue
            except (BufferError, SystemError):
                # something is lent still, or the system cannot move pages
                self._memory = _copied(self._memory, size)
            return
        raise MemoryError(f"{needed} bytes for the rows read so far are needed; got less")


def _same(place: NDArray[Any], rows: NDArray[Any]) -> bool:
    """Return whether both are the same bytes, given one shape."""
    return rows.flags.c_contiguous and rows.dtype == place.dtype and rows.ctypes.data == place.ctypes.data


def _reserved() -> mmap.mmap:
    try:
        return _memory(RESERVED_BYTES)
    except MemoryError:
        return _memory(FIRST_BYTES)


def _memory(size: int) -> mmap.mmap:
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    except OSError as error:
        raise MemoryError(f"{size} bytes are needed; got less") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # a kernel without huge pages refuses
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _copied(memory: mmap.mmap, size: int) -> mmap.mmap:
    larger = _memory(size)
    larger.write(memory)
    return larger
