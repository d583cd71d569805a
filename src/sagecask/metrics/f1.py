"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.f_beta import f_beta_binary, f_beta_macro

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def f1_binary(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the F1 of class 1; 0 where it neither occurs nor is predicted.

    Raises
    ------
    ValueError : there is a class other than 0 and 1
    """
    return f_beta_binary(labels, predictions)


def f1_macro(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean of each class's F1, over the classes among labels and predictions.

    >>> round(f1_macro([0, 1, 1], [0, 0, 1]), 4)
    0.6667
    """
    return f_beta_macro(labels, predictions)
