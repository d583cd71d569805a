"""Discounted cumulative gain where one class is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.metrics.ranking import ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def dcg(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean of 1 / log2(place + 1), the place of a row's label being 1 where its score is the highest.

    labels : (n_rows,) classes from 0
    scores : (n_rows, n_classes)

    >>> round(dcg([2, 0], [[0.1, 0.2, 0.4], [0.3, 0.2, 0.4]]), 4)
    0.8155
    """
    return float((1 / np.log2(ranks(labels, scores) + 2.0)).mean())
