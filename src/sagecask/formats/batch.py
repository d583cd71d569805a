"""Rows on their way from bytes to an algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.formats.rows import dense_to_csr

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Join batches in order; sparse rows take the widest width, a mix of dense and sparse becomes CSR.

    Raises
    ------
    ValueError : no batch, or dense batches of different widths
    """
    if len(batches) == 1:
        return batches[0]
    return Batch(
        features=_stack([batch.features for batch in batches]),
        labels=_join([batch.labels for batch in batches]),
        weights=_join([batch.weights for batch in batches]),
    )


def _stack(features: Sequence[NDArray[np.float32] | csr_matrix]) -> NDArray[np.float32] | csr_matrix:
    if all(isinstance(each, np.ndarray) for each in features):
        return np.concatenate(features)
    from scipy.sparse import vstack  # noqa: PLC0415 - scipy costs start-up that dense requests need not pay

    width = max(each.shape[1] for each in features)
    rows = [dense_to_csr(each) if isinstance(each, np.ndarray) else each for each in features]
    return vstack([_widened(each, width) for each in rows], format="csr", dtype=np.float32)


def _widened(rows: csr_matrix, width: int) -> csr_matrix:
    if rows.shape[1] == width:
        return rows
    wider = rows.copy()
    wider.resize(rows.shape[0], width)
    return wider


def _join(columns: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if len(present) == len(columns) else None
