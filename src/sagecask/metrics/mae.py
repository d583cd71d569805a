"""Mean absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def mae(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of |label - prediction|.

    >>> mae([1.0, 2.0], [1.5, 1.0])
    0.75
    """
    return float(np.mean(np.abs(np.asarray(labels, np.float64) - np.asarray(predictions, np.float64))))
