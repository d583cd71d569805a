"""Mean squared error and its root."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def mse(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of (label - prediction)², in squared units of the label.

    >>> mse([1.0, 2.0], [2.0, 0.0])
    2.5
    """
    return float(np.mean((np.asarray(labels, np.float64) - np.asarray(predictions, np.float64)) ** 2))


def rmse(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the root of the mean squared error, in units of the label."""
    return math.sqrt(mse(labels, predictions))
