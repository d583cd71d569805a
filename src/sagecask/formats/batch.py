"""Rows on their way from bytes to an algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.formats.growing import Growing
from sagecask.formats.rows import as_csr, dense_to_csr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some rows of a channel, or the rows of a request.

    features : (n_rows, n_features) float32, dense (NaN is missing) or CSR (what is absent is zero, or
        missing where the algorithm says so)
    labels : (n_rows,) float32, or (n_rows, label_size) when label_size is above 1, or None
    weights : (n_rows,) float32, or None
    """

    features: NDArray[np.float32] | csr_matrix
    labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features.shape[1])

    @property
    def sparse(self) -> bool:
        """Whether the features are CSR."""
        return not isinstance(self.features, np.ndarray)


Room = Callable[[int, int], "NDArray[np.float32]"]
"""Gives memory for (n_rows, n_features) dense features."""


def fresh(count: int, width: int) -> NDArray[np.float32]:
    """Return memory of its own."""
    return np.empty((count, width), np.float32)


def concatenate(batches: Iterable[Batch]) -> Batch:
    """Join batches in order as they come; one alone stays as it is.

    Raises
    ------
    ValueError : no batch, dense batches of different widths, or a row that names a position twice
    """
    source = iter(batches)
    first = next(source, None)
    if first is None:
        raise ValueError("a batch at least is needed; got none")
    second = next(source, None)
    if second is None:
        return first
    joined = Joined()
    joined.add(first)
    joined.add(second)
    # what is copied is not kept alive while the next one is made
    del first, second
    for batch in source:
        joined.add(batch)
        del batch
    return joined.batch()


class Joined:
    """Batches in order as they come; sparse rows take the widest width, a mix of dense and sparse becomes CSR.

    Each batch is copied once, unless it stands in `room`, and can go then: little more memory is needed than the rows
    take.
    """

    def __init__(self) -> None:
        self._features: _DenseRows | _SparseRows = _DenseRows(0)
        # none as long as there is no batch
        self._columns: tuple[_Column, _Column] | None = None

    def __bool__(self) -> bool:
        return self._columns is not None

    def room(self, count: int, width: int) -> NDArray[np.float32]:
        """Return memory for the features of the next batch, good until that is added."""
        dense = self._dense(width)
        return fresh(count, width) if dense is None or dense.width != width else dense.room(count)

    def add(self, batch: Batch) -> None:
        """Add a batch to the end.

        Raises
        ------
        ValueError : batches are dense and differ in width
        """
        dense = self._dense(batch.width)
        if batch.sparse and dense is not None:
            self._features = _SparseRows(dense.joined() if self else None)
        if self._columns is None:
            self._columns = _Column(batch.labels), _Column(batch.weights)
        for column, rows in zip(self._columns, (batch.labels, batch.weights), strict=True):
            column.add(rows)
        self._features.add(batch.features)

    def batch(self) -> Batch:
        """Return all rows, where there is a batch at least; nothing is added afterwards.

        Raises
        ------
        ValueError : a row names a position twice
        """
        assert self._columns is not None, "a batch is added before"
        labels, weights = self._columns
        return Batch(self._features.joined(), labels.joined(), weights.joined())

    def _dense(self, width: int) -> _DenseRows | None:
        """Return the features so far as long as they are dense; the first may have any width."""
        if not isinstance(self._features, _DenseRows):
            return None
        if not self and self._features.width != width:
            self._features = _DenseRows(width)
        return self._features


class _Column:
    """Labels or weights, as long as every batch has them."""

    def __init__(self, first: NDArray[np.float32] | None) -> None:
        self._rows = None if first is None else Growing(first.dtype, first.shape[1:])

    def add(self, rows: NDArray[np.float32] | None) -> None:
        if rows is None:
            self._rows = None
        elif self._rows is not None:
            self._rows.append(rows)

    def joined(self) -> NDArray[np.float32] | None:
        return None if self._rows is None else self._rows.array()


class _DenseRows:
    def __init__(self, width: int) -> None:
        self.width = width
        self._rows = Growing(np.float32, (width,))

    def room(self, count: int) -> NDArray[np.float32]:
        return self._rows.lend(count)

    def add(self, features: NDArray[np.float32]) -> None:
        self._rows.append(features)

    def joined(self) -> NDArray[np.float32]:
        return self._rows.array()


class _SparseRows:
    def __init__(self, dense: NDArray[np.float32] | None = None) -> None:
        self._values, self._positions = Growing(np.float32), Growing(np.int32)
        self._ends = Growing(np.int64)
        self._ends.append(np.zeros(1, np.int64))
        self._count = self._width = 0
        self._rising = True
        if dense is not None:
            self.add(dense)

    def add(self, features: NDArray[np.float32] | csr_matrix) -> None:
        rows = dense_to_csr(features) if isinstance(features, np.ndarray) else features
        count = int(rows.indptr[-1])
        self._values.append(rows.data[:count])
        self._positions.append(rows.indices[:count])
        self._ends.append(rows.indptr[1:].astype(np.int64) + self._count)
        self._count += count
        self._width = max(self._width, rows.shape[1])
        self._rising = self._rising and bool(rows.has_canonical_format)

    def joined(self) -> csr_matrix:
        arrays = self._values.array(), self._positions.array(), self._ends.array()
        return as_csr(*arrays, self._width, rising=self._rising)
