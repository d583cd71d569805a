"""From the labels of neighbours to one answer a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def majority(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the most frequent label of each row of (n, k) labels, the lowest of several: (n,) float32.

    >>> majority(np.array([[3, 1, 3], [7, 2, 5]], np.float32))
    array([3., 2.], dtype=float32)
    """
    ranked = np.sort(labels, axis=1)
    number = np.arange(ranked.shape[1])
    begins = np.ones(ranked.shape, bool)
    begins[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    # how many equal labels stand before each one; the first of the most ends the longest run
    run = number - np.maximum.accumulate(np.where(begins, number, 0), axis=1)
    winners: NDArray[np.float32] = ranked[np.arange(len(ranked)), run.argmax(axis=1)]
    return winners


def mean(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each row of (n, k) labels: (n,) float32."""
    means: NDArray[np.float32] = labels.mean(axis=1, dtype=np.float64).astype(np.float32)
    return means
