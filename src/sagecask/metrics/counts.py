"""What every metric of classes is made of: how often each class occurs, is predicted, and both at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """Counts by class, over the classes that occur among labels or predictions, in rising order.

    classes, labelled, predicted, right : (n_classes,)
    """

    classes: NDArray[np.generic]
    labelled: NDArray[np.int64]
    predicted: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, labels: ArrayLike, predictions: ArrayLike) -> ClassCounts:
        """Count.

        labels, predictions : (n_rows,) classes, numbers of any type

        Raises
        ------
        ValueError : their lengths differ
        """
        truth, guess = np.asarray(labels), np.asarray(predictions)
        if truth.shape != guess.shape:
            raise ValueError(f"as many predictions as labels; got {guess.shape} and {truth.shape}")
        classes, index = np.unique(np.concatenate([truth, guess]), return_inverse=True)
        true_index, guess_index = index[: len(truth)], index[len(truth) :]
        size = len(classes)
        return cls(
            classes=classes,
            labelled=np.bincount(true_index, minlength=size),
            predicted=np.bincount(guess_index, minlength=size),
            right=np.bincount(true_index[true_index == guess_index], minlength=size),
        )

    def positive(self, *, of: NDArray[np.int64]) -> int:
        """Return the entry of `of` for class 1, 0 where class 1 does not occur.

        Raises
        ------
        ValueError : there is a class other than 0 and 1
        """
        if not np.isin(self.classes, (0, 1)).all():
            raise ValueError(f"classes 0 and 1; got {self.classes.tolist()}")
        return int(of[self.classes == 1].sum())


def ratio(numerator: NDArray[Any] | float, denominator: NDArray[Any] | float) -> NDArray[np.float64]:
    """Divide, with 0 where the denominator is 0 (scikit-learn's `zero_division` when it only warns)."""
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    return np.divide(top, bottom, out=np.zeros(top.shape), where=bottom != 0)
