"""Rows on their way from bytes to an algorithm."""

from __future__ import annotations

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


def concatenate(batches: Iterable[Batch]) -> Batch:
    """Join batches in order as they come; sparse rows take the widest width, a mix of dense and sparse becomes CSR.

    Each batch is copied once and can go then, so that little more memory is needed than the rows take.

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
    joined = _Joined(first)
    joined.add(first)
    joined.add(second)
    # what is copied is not kept alive while the next one is made
    del first, second
    for batch in source:
        joined.add(batch)
        del batch
    return joined.batch()


class _Joined:
    """What is joined so far; looks like its first batch."""

    def __init__(self, first: Batch) -> None:
        self._features: _DenseRows | _SparseRows = _SparseRows() if first.sparse else _DenseRows(first.width)
        self._labels, self._weights = _Column(first.labels), _Column(first.weights)

    def add(self, batch: Batch) -> None:
        if batch.sparse and isinstance(self._features, _DenseRows):
            self._features = _SparseRows(self._features.joined())
        self._features.add(batch.features)
        self._labels.add(batch.labels)
        self._weights.add(batch.weights)

    def batch(self) -> Batch:
        return Batch(self._features.joined(), self._labels.joined(), self._weights.joined())


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
        self._rows = Growing(np.float32, (width,))

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
