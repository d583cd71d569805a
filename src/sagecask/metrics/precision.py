"""Precision: of the rows predicted as a class, the share that is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.accuracy import accuracy
from sagecask.metrics.counts import ClassCounts, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def precision(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the precision of class 1; 0 where class 1 is never predicted.

    Raises
    ------
    ValueError : there is a class other than 0 and 1
    """
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(counts.positive(of=counts.right), counts.positive(of=counts.predicted)))


def precision_macro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of each class's precision, over the classes among labels and predictions."""
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(counts.right, counts.predicted).mean())


def precision_micro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the precision over all classes taken together, which is the accuracy where a row has one class."""
    return accuracy(labels, predictions)
