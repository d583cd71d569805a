"""Area under the ROC curve: the chance that a row of class 1 scores above one of class 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area; equal scores count as half, and it is NaN where all labels are of one class.

    labels : (n_rows,) of 0 and 1
    scores : (n_rows,) numbers, not NaN

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    truth = np.asarray(labels)
    _, level = np.unique(np.asarray(scores), return_inverse=True)
    size = int(level.max(initial=-1)) + 1
    return roc_auc_of_counts(
        np.bincount(level[truth != 1], minlength=size), np.bincount(level[truth == 1], minlength=size)
    )


def roc_auc_of_counts(negatives: NDArray[np.int64], positives: NDArray[np.int64]) -> float:
    """Return the area from how many rows of class 0 and of class 1 have each score, (n_scores,) in rising order."""
    below, above = negatives.astype(np.float64), positives.astype(np.float64)
    if not below.sum() or not above.sum():
        return float("nan")
    lower = np.cumsum(below) - below / 2
    return float((above * lower).sum() / above.sum() / below.sum())
