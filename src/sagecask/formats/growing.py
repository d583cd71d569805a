"""An array that grows at its end: what is in it is not copied again, and no more memory is touched than it fills."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

FIRST_BYTES = 16 * 1024 * 1024


class Growing:
    """Rows of one dtype and shape; the system moves their pages, not their bytes, where they need another place."""

    def __init__(self, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._count = self._used = 0
        self._memory = _memory(FIRST_BYTES)

    def append(self, rows: NDArray[Any]) -> None:
        """Copy rows to the end.

        Raises
        ------
        ValueError : their shape is another
        MemoryError : there is not enough
        """
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {self._row_shape} are needed; got {rows.shape[1:]}")
        start, self._used = self._used, self._used + rows.size * self._dtype.itemsize
        if self._used > len(self._memory):
            self._grow()
        room = np.frombuffer(self._memory, self._dtype, rows.size, start)
        room.reshape(rows.shape)[...] = rows
        self._count += len(rows)

    def array(self) -> NDArray[Any]:
        """Return (n_rows, *row_shape), writable; nothing is appended afterwards."""
        with suppress(OSError, SystemError):
            self._memory.resize(max(self._used, 1))
        flat = np.frombuffer(self._memory, self._dtype, self._used // self._dtype.itemsize)
        return flat.reshape(self._count, *self._row_shape)

    def _grow(self) -> None:
        # addresses cost nothing, moving pages does; but the former may be limited
        for size in (4 * self._used, self._used):
            try:
                self._memory.resize(size)
            except OSError:
                continue
            except SystemError:
                # a system that cannot move pages
                self._memory = _copied(self._memory, size)
            return
        raise MemoryError(f"{self._used} bytes for the rows read so far are needed; got less")


def _memory(size: int) -> mmap.mmap:
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
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
