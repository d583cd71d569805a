"""Indexes with inverted lists, trained on the sample that they then hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import faiss

from sagecask_vectors.knn.hyperparameters import SUBVECTORS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 1234
_BITS = 8


@dataclass(frozen=True, slots=True)
class Lists:
    """What an index with inverted lists is made of.

    number : lists, or `auto` for the square root of the number of vectors
    probes : lists that a search visits
    parts : sub-vectors of the product quantiser, None keeps whole vectors
    """

    number: int | Literal["auto"] = "auto"
    probes: int = 5
    parts: int | None = None


def inverted_lists(vectors: NDArray[np.float32], metric: str, lists: Lists) -> Any:  # noqa: ANN401 - an index of faiss
    """Return faiss.IndexIVFFlat or, with parts, faiss.IndexIVFPQ over (n, d) float32 vectors; the same every time."""
    count, dim = vectors.shape
    number = math.isqrt(count) if lists.number == "auto" else lists.number
    code = faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT
    centroids = (faiss.IndexFlatL2 if metric == "L2" else faiss.IndexFlatIP)(dim)
    index: Any
    if lists.parts is None:
        index = faiss.IndexIVFFlat(centroids, dim, number, code)
    else:
        # a centroid of a sub-vector needs a row at least
        bits = min(_BITS, max(1, count.bit_length() - 1))
        index = faiss.IndexIVFPQ(centroids, dim, number, lists.parts, bits, code)
        _quietly(index.pq.cp)
    _quietly(index.cp)
    index.nprobe = min(lists.probes, number)
    index.train(vectors)
    index.add(vectors)
    return index


def _quietly(clustering: Any) -> None:  # noqa: ANN401 - faiss.ClusteringParameters
    """Set what k-means goes by; without a word on standard error about few rows for each centroid."""
    clustering.seed = SEED
    clustering.min_points_per_centroid = 1


def most_parts(dim: int) -> int:
    """Return the most sub-vectors that leave two numbers to each, for vectors of `dim` numbers."""
    return max((parts for parts in SUBVECTORS if 2 * parts <= dim), default=1)


def padded_dim(dim: int, parts: int) -> int:
    """Return the next multiple of the number of sub-vectors."""
    return -(-dim // parts) * parts
