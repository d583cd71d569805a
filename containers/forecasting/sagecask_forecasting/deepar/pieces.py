"""Arrays one behind the other, a request's few numbers as cheaply as those of a channel that fills the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.formats.growing import Growing

if TYPE_CHECKING:
    from numpy.typing import NDArray

# up to here they are kept as they come; memory that grows in place costs more than a request's other work
FEW_BYTES = 4 * 1024 * 1024


class Pieces:
    """float32 rows of one shape."""

    def __init__(self, row_shape: tuple[int, ...] = ()) -> None:
        self._row_shape = row_shape
        self._few: list[NDArray[np.float32]] = []
        self._few_bytes = 0
        self._many: Growing | None = None

    def add(self, rows: NDArray[np.float32]) -> None:
        """Put rows to the end; they are not to change afterwards."""
        self._few.append(rows)
        self._few_bytes += rows.nbytes
        if self._few_bytes > FEW_BYTES:
            self._many = self._joined()

    def array(self) -> NDArray[np.float32]:
        """Return all rows, (n, *row_shape); nothing is added afterwards."""
        if self._many is None:
            return np.concatenate([np.empty((0, *self._row_shape), np.float32), *self._few])
        rows: NDArray[np.float32] = self._joined().array()
        return rows

    def _joined(self) -> Growing:
        many = self._many or Growing(np.float32, self._row_shape)
        for rows in self._few:
            many.append(rows)
        self._few, self._few_bytes = [], 0
        return many
