"""Share of right classes, over all rows and as the mean over classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.counts import ClassCounts, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the share of rows whose class is right.

    >>> accuracy([0, 1, 2, 2], [0, 1, 2, 0])
    0.75
    """
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(counts.right.sum(), counts.labelled.sum()))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean recall over the classes that occur among the labels.

    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    counts = ClassCounts.of(labels, predictions)
    known = counts.labelled > 0
    return float(ratio(counts.right[known], counts.labelled[known]).mean())
