"""What was learned: k centers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import Batch, Predictions
from sagecask_vectors import model_file
from sagecask_vectors.stream import refuse_missing, refuse_overflow

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType

ARRAY = "centroids"
# numbers of the largest array that a prediction makes beside its answer: 4 MiB
_ROOM = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class KMeansModel(Model[Batch]):
    """Centers, and what a prediction needs of them.

    centroids : (k, feature_dim) float32
    """

    centroids: NDArray[np.float32]

    @property
    def width(self) -> int:
        return int(self.centroids.shape[1])

    def save(self, folder: Path) -> None:
        model_file.save(folder, {ARRAY: self.centroids})

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:  # noqa: ARG002 - no variant by Accept
        """Return the columns `closest_cluster`, 0 to k - 1, and `distance_to_cluster`, the Euclidean distance.

        Both are float32; of several centers at one distance the first is the closest.

        Raises
        ------
        DataError : rows of another width, with a missing value, or with a squared distance that float32 does not hold
        """
        if batch.width != self.width:
            raise DataError(f"request body: rows of {self.width} features; got {batch.width}")
        refuse_missing(batch, "request body, row")
        clusters = np.empty(len(batch), np.float32)
        distances = np.empty(len(batch), np.float32)
        # distances are taken from the middle of the centers, so that they do not drown in a common offset
        middle = self.centroids.mean(axis=0)
        centers = self.centroids - middle
        lengths = np.einsum("ij,ij->i", centers, centers) / 2
        step = max(1, _ROOM // max(centers.shape))
        for start in range(0, len(batch), step):
            part = batch.features[start : start + step]
            rows = (part if isinstance(part, np.ndarray) else part.toarray()) - middle
            # |x - c|² / 2 less what all centers have in common
            with np.errstate(over="ignore", invalid="ignore"):
                closest = (lengths - rows @ centers.T).argmin(axis=1)
                apart = rows - centers[closest]
                distances[start : start + step] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            clusters[start : start + step] = closest
        refuse_overflow(distances, "squared distance")
        return Predictions({"closest_cluster": clusters, "distance_to_cluster": distances})


def load(folder: Path) -> KMeansModel:
    """Read a model that `KMeansModel.save` wrote, or an MXNet list of one array of centers, of whatever name.

    Raises
    ------
    ModelDataError : there is none
    """
    arrays = model_file.load(folder, "kmeans")
    name = next(iter(arrays)) if len(arrays) == 1 else ARRAY
    centroids = model_file.of_shape(arrays, name, (None, None), "kmeans")
    if not centroids.size:
        raise ModelDataError(f"{model_file.NAME}: kmeans needs a center at least; got none")
    return KMeansModel(centroids)
