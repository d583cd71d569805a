"""Log loss: the mean negative logarithm of the probability given to the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean loss; a probability of 0 counts as the smallest normal number of its type.

    labels : (n_rows,) classes from 0
    probabilities : (n_rows, n_classes)

    >>> round(log_loss([0, 1], [[0.5, 0.5], [0.25, 0.75]]), 4)
    0.4904
    """
    table = np.asarray(probabilities)
    own = np.take_along_axis(table, np.asarray(labels).astype(np.int64)[:, None], axis=1)
    return float(-np.log(np.maximum(own, np.finfo(own.dtype).tiny), dtype=np.float64).mean())
