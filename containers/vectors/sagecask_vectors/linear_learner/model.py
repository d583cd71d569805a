"""What was learned: weights on raw features, and the threshold of a binary classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import AnswerForm, Batch, Predictions
from sagecask_vectors import model_file
from sagecask_vectors.stream import refuse_missing, refuse_overflow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType

OWNER = "linear-learner"
PREDICTOR_TYPES = ("binary_classifier", "multiclass_classifier", "regressor")
LINKS = ("identity", "logistic", "softmax")
_FORM = AnswerForm(compact_lines=True)


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel(Model[Batch]):
    """Scores are link(X weights + bias).

    weights : (n_features, n_outputs) float32
    bias : (n_outputs,) float32
    predictor_type : one of PREDICTOR_TYPES
    link : from raw output to score, one of LINKS
    threshold : score from which on class 1 is predicted, of a binary classifier
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    predictor_type: str
    link: str
    threshold: float = 0.5

    @property
    def width(self) -> int:
        return len(self.weights)

    def save(self, folder: Path) -> None:
        model_file.save(
            folder,
            {
                "weights": self.weights,
                "bias": self.bias,
                "threshold": np.array(self.threshold, np.float32),
                "predictor_type": np.array(self.predictor_type),
                "link": np.array(self.link),
            },
        )

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the column `score`, (n_rows,) or (n_rows, n_classes) float32, and the classifiers' `predicted_label`.

        Raises
        ------
        DataError : rows of another width, with a missing value, or with a score that float32 does not hold
        """
        if batch.width != self.width:
            raise DataError(f"request body: rows of {self.width} features; got {batch.width}")
        refuse_missing(batch, "request body, row")
        with np.errstate(over="ignore"):
            scores = self.scores(self.raw(batch))
        refuse_overflow(scores, "score")
        if self.predictor_type == "regressor":
            return Predictions({"score": scores}, _FORM)
        return Predictions({"score": scores, "predicted_label": self.labels(scores)}, _FORM)

    def raw(self, batch: Batch) -> NDArray[np.float64]:
        """Return (n_rows, n_outputs) raw outputs."""
        # in double precision a row's answer does not depend on the rows beside it, nor on its being sparse
        features = batch.features.astype(np.float64)
        outputs: NDArray[np.float64] = features @ self.weights.astype(np.float64) + self.bias
        return outputs

    def scores(self, raw: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return (n_rows,) scores, of several classes (n_rows, n_classes)."""
        if self.link == "softmax":
            powers = np.exp(raw - raw.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
        return np.asarray(logistic(raw[:, 0]) if self.link == "logistic" else raw[:, 0], np.float32)

    def labels(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return (n_rows,) classes."""
        if scores.ndim == 2:
            return np.asarray(scores.argmax(axis=1), np.int64)
        return (scores >= np.float32(self.threshold)).astype(np.int64)


def logistic(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-raw))."""
    # exp of a negative number alone never overflows
    small = np.exp(-np.abs(raw))
    scores: NDArray[np.float64] = np.where(raw >= 0, 1, small) / (1 + small)
    return scores


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> LinearModel:
    """Return the model that `LinearModel.save` wrote.

    Raises
    ------
    ModelDataError : an array is missing or of another shape
    """
    weights = model_file.of_shape(arrays, "weights", (None, None), OWNER)
    bias = model_file.of_shape(arrays, "bias", (weights.shape[1],), OWNER)
    threshold = model_file.of_shape(arrays, "threshold", (), OWNER)
    kind, link = (_word(arrays, *entry) for entry in (("predictor_type", PREDICTOR_TYPES), ("link", LINKS)))
    return LinearModel(weights, bias, kind, link, float(threshold))


def _word(arrays: Mapping[str, NDArray[Any]], name: str, words: tuple[str, ...]) -> str:
    word = str(arrays.get(name, "none"))
    if word not in words:
        raise ModelDataError(f'{model_file.NAME}: "{name}" must be one of {", ".join(words)}; got {word}')
    return word
