"""F score: the weighted harmonic mean of precision and recall, recall counting beta times as much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.metrics.counts import ClassCounts, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def f_beta_binary(labels: ArrayLike, predictions: ArrayLike, beta: float = 1.0) -> float:
    """Return the F score of class 1; 0 where it neither occurs nor is predicted.

    Raises
    ------
    ValueError : there is a class other than 0 and 1
    """
    counts = ClassCounts.of(labels, predictions)
    right, labelled, predicted = (
        counts.positive(of=each) for each in (counts.right, counts.labelled, counts.predicted)
    )
    return float(f_beta_of_counts(np.array(right), np.array(labelled), np.array(predicted), beta))


def f_beta_macro(labels: ArrayLike, predictions: ArrayLike, beta: float = 1.0) -> float:
    """Return the mean of each class's F score, over the classes among labels and predictions.

    >>> round(f_beta_macro([0, 1, 1], [0, 0, 1], 2.0), 4)
    0.6944
    """
    counts = ClassCounts.of(labels, predictions)
    return float(f_beta_of_counts(counts.right, counts.labelled, counts.predicted, beta).mean())


def f_beta_of_counts(
    right: NDArray[np.int64], labelled: NDArray[np.int64], predicted: NDArray[np.int64], beta: float
) -> NDArray[np.float64]:
    """Return the F score of each class from how often it is right, occurs and is predicted; 0 where it never is."""
    weight = beta * beta
    return ratio((1 + weight) * right, weight * labelled + predicted)
