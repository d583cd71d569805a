"""Top-k accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.metrics.ranking import ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def top_k_accuracy(labels: ArrayLike, scores: ArrayLike, k: int) -> float:
    """Return the share of rows whose label is among the k classes of the highest scores.

    labels : (n_rows,) classes from 0
    scores : (n_rows, n_classes)

    >>> top_k_accuracy([2, 0], [[0.1, 0.2, 0.4], [0.2, 0.3, 0.4]], 2)
    0.5
    """
    return float((ranks(labels, scores) < k).mean())
