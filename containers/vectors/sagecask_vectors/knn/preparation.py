"""From a row of features to the vector that stands in the index: reduced, filled up, normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask_vectors.knn.projection import Projection


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """What rows of training data and of requests both go through.

    feature_dim : features of a row
    index_dim : length of a vector of the index; above what a row has, it is filled up with zeros
    projection : reduces the dimension first
    normalize : whether vectors are brought to length 1, for COSINE; one of zeros stays so
    """

    feature_dim: int
    index_dim: int
    projection: Projection | None = None
    normalize: bool = False

    def __call__(self, rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
        """Return (n, index_dim) float32, C-contiguous, for (n, feature_dim) dense or CSR rows."""
        if self.projection is not None:
            vectors = self.projection(rows)
        else:
            vectors = rows if isinstance(rows, np.ndarray) else rows.toarray()
        if vectors.shape[1] < self.index_dim:
            vectors = np.pad(vectors, ((0, 0), (0, self.index_dim - vectors.shape[1])))
        if self.normalize:
            vectors = normalized(vectors)
        return np.ascontiguousarray(vectors, np.float32)


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, d) vectors at length 1; those of zeros stay so."""
    # float64, in which the squares of all float32 numbers are finite and not zero
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    lengths[lengths == 0] = 1
    scaled: NDArray[np.float32] = (vectors / lengths[:, None]).astype(np.float32)
    return scaled
