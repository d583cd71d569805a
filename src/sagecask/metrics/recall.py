"""Recall: of the rows of a class, the share that is predicted as it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.accuracy import accuracy
from sagecask.metrics.counts import ClassCounts, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def recall(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the recall of class 1; 0 where no label is 1.

    Raises
    ------
    ValueError : there is a class other than 0 and 1
    """
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(counts.positive(of=counts.right), counts.positive(of=counts.labelled)))


def recall_macro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of each class's recall, over the classes among labels and predictions."""
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(counts.right, counts.labelled).mean())


def recall_micro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the recall over all classes taken together, which is the accuracy where a row has one class."""
    return accuracy(labels, predictions)
