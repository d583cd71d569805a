"""The nearest vectors of an index: exhaustive search, or faiss's inverted lists."""

from __future__ import annotations

import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import faiss
import numpy as np

from sagecask.errors import DataError, ModelDataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.float32], NDArray[np.int64]]

_log = logging.getLogger(__name__)
SPARE = 8
"""Candidates beyond k that an exhaustive search looks at exactly."""
BLOCK_BYTES = 4 * 1024 * 1024
GPU_MAX_K = 2048


class Neighbours(Protocol):
    """An index: `count` vectors of `dim` numbers, compared by `metric`."""

    metric: str
    dim: int
    count: int

    def search(self, queries: NDArray[np.float32], k: int) -> Found:
        """Return distances, ascending, and positions of the k nearest vectors, each (n, k); equals by position.

        Distances are the squared Euclidean one for L2 and the inner product with its sign turned for INNER_PRODUCT.

        queries : (n, dim) float32, C-contiguous
            k : at most `count`

        Raises
        ------
        DataError : distances are too large for float32
        """


class Exhaustive:
    """Every vector is compared.

    Many queries are compared by |q|² + |v|² - 2 q·v, whose rounding errors grow with the lengths of both. Hence vectors
    are held less their mean, and a few more than k candidates are measured again by differences, so that a row has the
    same neighbours alone and among others.

    Parameters
    ----------
    vectors : (count, dim) float32, C-contiguous
    owned : whether they may be changed; else the first search makes a copy
    """

    def __init__(self, vectors: NDArray[np.float32], metric: str, *, owned: bool = False) -> None:
        self.count, self.dim = vectors.shape
        self.metric = metric
        self._given, self._owned = vectors, owned
        self._on_gpu = OnGpu(self._flat)
        if owned:
            # now, so that processes forked from this one share it
            _ = self._held

    @cached_property
    def _held(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors less their centre, and the centre (dim,); it is 0 for INNER_PRODUCT."""
        if self.metric != "L2":
            return self._given, np.zeros(self.dim, np.float32)
        centre = _centre(self._given)
        vectors = np.subtract(self._given, centre, out=self._given if self._owned else None)
        return vectors, centre

    def search(self, queries: NDArray[np.float32], k: int) -> Found:
        vectors, centre = self._held
        queries = queries - centre
        wide = min(k + SPARE, self.count)
        on_gpu = self._on_gpu.search(queries, wide)
        _, near = on_gpu if on_gpu else faiss.knn(queries, vectors, wide, metric=_code(self.metric))
        _refuse_unfound(near)
        distances = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        step = max(1, BLOCK_BYTES // (4 * wide * self.dim))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            distances[part], positions[part] = self._exact(queries[part], np.sort(near[part], axis=1), k)
        return distances, positions

    def _exact(self, queries: NDArray[np.float32], near: NDArray[np.int64], k: int) -> Found:
        vectors = self._held[0][near]
        if self.metric == "L2":
            vectors -= queries[:, None]
            distances = np.einsum("nkd,nkd->nk", vectors, vectors)
        else:
            # less than zero, not its sign turned: a zero shall not become -0.0
            distances = 0 - np.einsum("nd,nkd->nk", queries, vectors)
        # positions rise, and a stable order leaves equal distances by position
        return _ordered(np.argsort(distances, axis=1, kind="stable")[:, :k], distances, near)

    def _flat(self) -> Any:  # noqa: ANN401 - faiss has no types of its own
        index = (faiss.IndexFlatL2 if self.metric == "L2" else faiss.IndexFlatIP)(self.dim)
        index.add(self._held[0])
        return index


class InvertedLists:
    """The vectors of a few lists are compared: those whose centroids are nearest.

    Parameters
    ----------
    index : faiss.IndexIVFFlat or faiss.IndexIVFPQ with its `nprobe`
    """

    def __init__(self, index: Any) -> None:  # noqa: ANN401 - as above
        self.index = index
        self.metric = "L2" if index.metric_type == faiss.METRIC_L2 else "INNER_PRODUCT"
        self.dim, self.count = int(index.d), int(index.ntotal)
        self._on_gpu = OnGpu(lambda: index)

    def search(self, queries: NDArray[np.float32], k: int) -> Found:
        distances, positions = self._on_gpu.search(queries, k) or self.index.search(queries, k)
        lists = int(self.index.nprobe)
        while lists < self.index.nlist and (short := np.flatnonzero(positions[:, -1] < 0)).size:
            # the lists visited hold fewer than k vectors
            lists = min(2 * lists, self.index.nlist)
            wider = faiss.SearchParametersIVF()
            wider.nprobe = lists
            distances[short], positions[short] = self.index.search(queries[short], k, params=wider)
        _refuse_unfound(positions)
        if self.metric == "INNER_PRODUCT":
            distances = 0 - distances
        return _ordered(np.lexsort((positions, distances), axis=1), distances, positions)


class OnGpu:
    """A copy of an index on the first GPU, made for the first search, if this build of faiss and the machine have one.

    A process that is forked after CUDA has started cannot use it, which is why nothing happens earlier.
    """

    def __init__(self, index: Any) -> None:  # noqa: ANN401 - returns an index of faiss
        self._source = index
        # the copy lives in the memory of the resources
        self._copy: Any = None
        self._resources: Any = None
        self._looked = not hasattr(faiss, "StandardGpuResources")
        self._one_at_a_time = threading.Lock()

    def search(self, queries: NDArray[np.float32], k: int) -> Found | None:
        """Return what the copy finds, None where there is none."""
        if (self._looked and self._copy is None) or k > GPU_MAX_K:
            return None
        with self._one_at_a_time:
            if not self._looked:
                self._copy = self._made()
                self._looked = True
            return self._copy.search(queries, k) if self._copy is not None else None

    def _made(self) -> Any:  # noqa: ANN401 - an index of faiss
        if not faiss.get_num_gpus():
            return None
        try:
            self._resources = faiss.StandardGpuResources()
            return faiss.index_cpu_to_gpu(self._resources, 0, self._source())
        except RuntimeError as error:
            _log.warning("the index stays on the CPU: faiss cannot put it onto the GPU (%s)", error)
            return None


def use_threads(count: int) -> None:
    """Let searches that this thread starts use so many threads."""
    faiss.omp_set_num_threads(count)


def _code(metric: str) -> int:
    return int(faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT)


def _ordered(order: NDArray[np.int64], distances: NDArray[np.float32], positions: NDArray[np.int64]) -> Found:
    # np.take_along_axis is three times as slow for a single row
    row = np.arange(len(order))[:, None]
    return distances[row, order], positions[row, order]


def _refuse_unfound(positions: NDArray[np.int64]) -> None:
    """Refuse what faiss says where no distance was a finite number."""
    if positions.size and positions.min() < 0:
        raise DataError("knn: features whose squares add up to a float32 are needed; got larger numbers")


def _centre(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return about the mean of each column: as a multiple of a power of two that is about the column's spread.

    Whole numbers and others of few digits lose none of them when it is subtracted.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->j", vectors, vectors, dtype=np.float64) / len(vectors)
    spread = np.sqrt(np.maximum(squares - mean**2, 0))
    grain = np.exp2(np.floor(np.log2(spread, out=np.zeros_like(spread), where=spread > 0)))
    centre: NDArray[np.float32] = np.where(spread > 0, np.round(mean / grain) * grain, mean).astype(np.float32)
    return centre


def read_lists(path: Path) -> InvertedLists:
    """Return the inverted lists of a file that `index_file.checked` has looked through.

    Raises
    ------
    ModelDataError : faiss cannot read it all the same
    """
    try:
        return InvertedLists(faiss.read_index(str(path)))
    except RuntimeError as error:
        raise ModelDataError(f"{path}: a sound faiss index is needed; got {str(error).splitlines()[0]}") from error
