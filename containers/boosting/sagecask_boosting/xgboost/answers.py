"""Selectable inference: the columns that SAGEMAKER_INFERENCE_OUTPUT may ask for (cdf-inference.md)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import AlgorithmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Column = NDArray[np.float64] | NDArray[np.int64]

_log = logging.getLogger(__name__)

_PROBABLE = ("predicted_label", "labels", "probability", "probabilities", "raw_score", "raw_scores")
_LABELLED = ("predicted_label", "labels", "raw_score", "raw_scores")
KEYS: Mapping[str, tuple[str, ...]] = {
    "binary:logistic": _PROBABLE,
    "multi:softprob": _PROBABLE,
    "binary:logitraw": _LABELLED,
    "binary:hinge": _LABELLED,
    "multi:softmax": _LABELLED,
    "reg:squarederror": ("predicted_score",),
    "reg:linear": ("predicted_score",),
    "reg:logistic": ("predicted_score",),
    "reg:gamma": ("predicted_score",),
    "reg:absoluteerror": ("predicted_score",),
    "reg:tweedie": ("predicted_score",),
}


def selected(keys: Sequence[str], scores: NDArray[np.float32], objective: str, num_class: int) -> dict[str, Column]:
    """Return the columns in the order of `keys`; one that does not fit the objective is NaN, with a warning.

    Parameters
    ----------
    scores : (n_rows,) or (n_rows, n_classes), what the objective answers
    num_class : classes of multi:*

    Raises
    ------
    AlgorithmError : the objective has no selectable answers
    """
    if objective not in KEYS:
        raise AlgorithmError(
            f"SAGEMAKER_INFERENCE_OUTPUT: an objective out of {', '.join(KEYS)}; got a model of {objective}"
        )
    unfit = [key for key in keys if key not in KEYS[objective]]
    if unfit:
        _log.warning(
            "SAGEMAKER_INFERENCE_OUTPUT: %s do not fit objective %s and are NaN; those that fit: %s",
            ", ".join(unfit), objective, ", ".join(KEYS[objective]),
        )  # fmt: skip
    exact = scores.astype(np.float64)
    missing = np.full(len(scores), np.nan)
    return {key: missing if key in unfit else _COLUMNS[key](exact, objective, num_class) for key in keys}


def _predicted_label(scores: NDArray[np.float64], objective: str, _num_class: int) -> Column:
    if objective == "multi:softprob":
        best: NDArray[np.int64] = np.argmax(scores, axis=1)
        return best
    if objective in {"multi:softmax", "binary:hinge"}:
        return scores
    return (scores > (0.5 if objective == "binary:logistic" else 0)).astype(np.int64)


def _labels(scores: NDArray[np.float64], objective: str, num_class: int) -> Column:
    count = num_class if objective.startswith("multi:") else 2
    return np.tile(np.arange(count), (len(scores), 1))


def _best(scores: NDArray[np.float64], _objective: str, _num_class: int) -> Column:
    best: NDArray[np.float64] = scores.max(axis=1) if scores.ndim == 2 else scores
    return best


def _all(scores: NDArray[np.float64], _objective: str, _num_class: int) -> Column:
    # the original answers [1 - score, score] for every objective with one output, margins and classes included
    return scores if scores.ndim == 2 else np.stack([1.0 - scores, scores], axis=1)


_COLUMNS: Mapping[str, Callable[[NDArray[np.float64], str, int], Column]] = {
    "predicted_label": _predicted_label,
    "labels": _labels,
    "probability": _best,
    "probabilities": _all,
    "raw_score": _best,
    "raw_scores": _all,
    "predicted_score": _best,
}
