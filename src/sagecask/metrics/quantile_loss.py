"""Quantile loss, which a forecast's quantile minimises (Koenker and Bassett, Econometrica 46, 1978, section 3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def quantile_loss(labels: ArrayLike, predictions: ArrayLike, level: float) -> float:
    """Return twice the summed quantile loss, in units of the label; at level 0.5 it is the sum of absolute errors.

    Of each error e = label - prediction it is 2 max(level · e, (level - 1) · e).

    >>> quantile_loss([1.0, 2.0], [2.0, 0.0], 0.5)
    3.0
    """
    errors = np.asarray(labels, np.float64) - np.asarray(predictions, np.float64)
    return 2 * float(np.maximum(level * errors, (level - 1) * errors).sum())


def weighted_quantile_loss(labels: ArrayLike, predictions: ArrayLike, level: float) -> float:
    """Return twice the summed quantile loss over the sum of absolute labels; NaN where all labels are zero.

    >>> weighted_quantile_loss([1.0, 2.0], [2.0, 0.0], 0.5)
    1.0
    """
    size = float(np.abs(np.asarray(labels, np.float64)).sum())
    return quantile_loss(labels, predictions, level) / size if size else math.nan
