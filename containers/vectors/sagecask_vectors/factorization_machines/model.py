"""What was learned: weights and the kind of answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError
from sagecask.formats import Batch, Predictions
from sagecask_vectors import model_file
from sagecask_vectors.stream import refuse_missing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.formats import MediaType
    from sagecask_vectors.factorization_machines.weights import Weights

PredictorType = Literal["binary_classifier", "regressor"]
PREDICTOR_TYPES: tuple[PredictorType, ...] = ("binary_classifier", "regressor")


class FactorizationMachine(Model[Batch]):
    """Weights of a binary classifier, whose scores go through a sigmoid, or of a regressor."""

    def __init__(self, weights: Weights, predictor_type: PredictorType) -> None:
        self.weights = weights
        self.predictor_type = predictor_type

    @property
    def width(self) -> int:
        return len(self.weights.linear)

    def save(self, folder: Path) -> None:
        """Write the arrays under the names that the original gives them, and the predictor type."""
        arrays = {
            "v": self.weights.factors,
            "w1_weight": self.weights.linear[:, None],
            "w0_weight": self.weights.bias,
            "predictor_type": np.array(self.predictor_type),
        }
        model_file.save(folder, arrays)

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the column `score`, and for a classifier `predicted_label`.

        score : (n_rows,) float32, of a classifier the probability of label 1
        predicted_label : (n_rows,) int32, 1 where the score is at least 0.5
        """
        refuse_missing(batch, "request body, row")
        # an overflow is refused, with its row
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.weights.scores(self._fitted(batch))
        if not np.isfinite(scores).all():
            row = int(np.argmin(np.isfinite(scores))) + 1
            raise DataError(f"request body, row {row}: features whose score is a finite number are needed; got larger")
        if self.predictor_type == "regressor":
            return Predictions({"score": scores})
        probabilities = _sigmoid(scores)
        return Predictions({"score": probabilities, "predicted_label": (probabilities >= 0.5).astype(np.int32)})

    def _fitted(self, batch: Batch) -> NDArray[np.float32] | csr_matrix:
        """Return the rows in the model's width, which sparse ones may fall short of."""
        if batch.width == self.width:
            return batch.features
        if batch.width > self.width or not batch.sparse:
            raise DataError(f"request body: rows of {self.width} features are needed (feature_dim); got {batch.width}")
        features = batch.features.copy()
        features.resize(len(batch), self.width)
        return features


def _sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    small = np.exp(-np.abs(scores.astype(np.float64)))
    probabilities: NDArray[np.float64] = np.where(scores >= 0, 1, small) / (1 + small)
    return probabilities.astype(np.float32)
