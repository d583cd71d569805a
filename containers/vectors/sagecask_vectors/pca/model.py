"""What was learned: components, their singular values, and the mean that rows are centred by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import AnswerForm, Batch, Predictions
from sagecask_vectors import model_file
from sagecask_vectors.stream import refuse_missing, refuse_overflow

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType

_FORM = AnswerForm(outer_key="projections")
# numbers of the largest array that a prediction makes beside its answer: 8 MiB
_ROOM = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PCAModel(Model[Batch]):
    """Components in ascending order: the leading one is the last.

    v : (feature_dim, num_components) float32, columns of length 1 and at right angles
    s : (num_components,) float32, singular values of the (centred) train rows
    mean : (1, feature_dim) float32, or None where rows are not centred
    """

    v: NDArray[np.float32]
    s: NDArray[np.float32]
    mean: NDArray[np.float32] | None

    @property
    def width(self) -> int:
        return int(self.v.shape[0])

    def save(self, folder: Path) -> None:
        arrays = {"s": self.s, "v": self.v}
        model_file.save(folder, arrays if self.mean is None else {"mean": self.mean, **arrays})

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the column `projection`, (n_rows, num_components) float32: (x - mean) v.

        Raises
        ------
        DataError : the rows have another width, a missing value, or a projection that float32 does not hold
        """
        if batch.width != self.width:
            raise DataError(f"request body: rows of {self.width} features; got {batch.width}")
        refuse_missing(batch, "request body, row")
        with np.errstate(over="ignore"):
            projections = self.project(batch)
        refuse_overflow(projections, "projection")
        return Predictions({"projection": projections}, _FORM)

    def project(self, batch: Batch) -> NDArray[np.float32]:
        """Return (x - mean) v, computed in float64 and some rows at a time."""
        projections = np.empty((len(batch), self.v.shape[1]), np.float32)
        components = self.v.astype(np.float64)
        step = max(1, _ROOM // self.width)
        for start in range(0, len(batch), step):
            part = batch.features[start : start + step]
            rows = (part if isinstance(part, np.ndarray) else part.toarray()).astype(np.float64)
            if self.mean is not None:
                rows -= self.mean
            projections[start : start + step] = rows @ components
        return projections


def load(folder: Path) -> PCAModel:
    """Read a model that `PCAModel.save`, or the original container, wrote.

    Raises
    ------
    ModelDataError : there is none, or its arrays do not fit one another
    """
    arrays = model_file.load(folder, "pca")
    v = model_file.of_shape(arrays, "v", (None, None), "pca")
    if not v.size:
        raise ModelDataError(f"{model_file.NAME}: pca needs a component at least; got none")
    s = model_file.of_shape(arrays, "s", (v.shape[1],), "pca")
    mean = model_file.of_shape(arrays, "mean", (1, v.shape[0]), "pca") if "mean" in arrays else None
    return PCAModel(v, s, mean)
