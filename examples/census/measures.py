"""How good the answers are: ROC curve, the area under it, and the error rate; numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


def roc_curve(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rates, both rising from 0 to 1; rows of equal score move both at once.

    labels : (n_rows,) 0 or 1, both present
    scores : (n_rows,) higher means more likely 1
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true_positives = np.cumsum(labels[order])[last_of_score]
    false_positives = 1 + last_of_score - true_positives
    rates = (np.concatenate([[0.0], counts / counts[-1]]) for counts in (false_positives, true_positives))
    false_rate, true_rate = rates
    return false_rate, true_rate


def area_under(x: Floats, y: Floats) -> float:
    """Return the area under a polygon line by the trapezoidal rule."""
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))


def error_rate(labels: Floats, scores: Floats, threshold: float = 0.5) -> float:
    """Return the share of rows on the wrong side of the threshold."""
    return float(np.mean((scores > threshold) != (labels == 1)))
