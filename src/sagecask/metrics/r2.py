"""Coefficient of determination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def r2(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return 1 - Σ(label - prediction)² / Σ(label - mean label)².

    Where all labels are equal it is 1 for a perfect prediction and 0 otherwise; for a single row it is NaN.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    truth = np.asarray(labels, np.float64)
    if len(truth) < 2:
        return float("nan")
    residual = float(np.sum((truth - np.asarray(predictions, np.float64)) ** 2))
    total = float(np.sum((truth - truth.mean()) ** 2))
    if total == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / total
