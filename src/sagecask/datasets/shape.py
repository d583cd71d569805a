"""Rows in the form that a file wants: dense or sparse, some at a time, without weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask.formats import Batch
from sagecask.formats.rows import to_csr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

Absent = Literal["zero", "missing"]

MAX_CELLS = 2 * 1024 * 1024


def shaped(batch: Batch, *, sparse: bool, absent: Absent) -> Iterator[Batch]:
    """Yield the rows as CSR or dense, as many at a time as memory allows; `absent` is what CSR leaves out."""
    rows = len(batch) if batch.sparse and sparse else max(1, MAX_CELLS // max(1, batch.width))
    for start in range(0, len(batch), rows):
        part = taken(batch, slice(start, start + rows)) if rows < len(batch) else batch
        if isinstance(part.features, np.ndarray):
            yield replace(part, features=_csr(part.features, absent)) if sparse else part
        else:
            yield part if sparse else replace(part, features=_dense(part.features, absent))


def taken(batch: Batch, rows: slice) -> Batch:
    """Return some of the rows."""
    return Batch(
        features=batch.features[rows],
        labels=None if batch.labels is None else batch.labels[rows],
        weights=None if batch.weights is None else batch.weights[rows],
    )


def _csr(features: NDArray[np.float32], absent: Absent) -> csr_matrix:
    kept = features != 0 if absent == "zero" else ~np.isnan(features)
    return to_csr(features[kept], np.nonzero(kept)[1], np.count_nonzero(kept, axis=1), features.shape[1])


def _dense(features: csr_matrix, absent: Absent) -> NDArray[np.float32]:
    table = np.full(features.shape, 0 if absent == "zero" else np.nan, dtype=np.float32)
    table[np.repeat(np.arange(len(table)), np.diff(features.indptr)), features.indices] = features.data
    return table
