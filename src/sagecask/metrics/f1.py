"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.counts import ClassCounts, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def f1_binary(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the F1 of class 1; 0 where it neither occurs nor is predicted.

    Raises
    ------
    ValueError : there is a class other than 0 and 1
    """
    counts = ClassCounts.of(labels, predictions)
    both = counts.positive(of=counts.labelled) + counts.positive(of=counts.predicted)
    return float(ratio(2 * counts.positive(of=counts.right), both))


def f1_macro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of each class's F1, over the classes among labels and predictions.

    >>> round(f1_macro([0, 1, 1], [0, 0, 1]), 4)
    0.6667
    """
    counts = ClassCounts.of(labels, predictions)
    return float(ratio(2 * counts.right, counts.labelled + counts.predicted).mean())
