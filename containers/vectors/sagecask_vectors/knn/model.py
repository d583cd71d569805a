"""What was learned: an index of sampled rows, their labels, and how they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.algorithm import Model
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import Batch, Predictions
from sagecask_vectors.knn import description as described
from sagecask_vectors.knn import index_file, voting
from sagecask_vectors.knn.neighbours import Exhaustive, read_lists, use_threads
from sagecask_vectors.stream import refuse_missing, refuse_overflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.formats import MediaType
    from sagecask_vectors.knn.description import Description
    from sagecask_vectors.knn.neighbours import Neighbours

LABELS = f"{index_file.NAME}.labels"
DESCRIPTION = f"{index_file.NAME}.json"
BLOCK_BYTES = 64 * 1024 * 1024


class KNNModel(Model[Batch]):
    """Neighbours and their labels.

    Parameters
    ----------
    neighbours : the index
    labels : (count,) float32, one a vector of the index
    description : how to ask, and how to answer
    write : writes the index file; None for a model that was read
    threads : those that one prediction may use, None for all
    """

    def __init__(
        self,
        neighbours: Neighbours,
        labels: NDArray[np.float32],
        description: Description,
        write: Callable[[Path], None] | None = None,
        threads: int | None = None,
    ) -> None:
        self._neighbours = neighbours
        self._labels = labels
        self._description = description
        self._preparation = description.preparation(neighbours.dim)
        self._write = write
        self._threads = threads

    @property
    def width(self) -> int:
        return self._preparation.feature_dim

    def save(self, folder: Path) -> None:
        assert self._write is not None
        self._write(folder / index_file.NAME)
        self._labels.astype("<f4", copy=False).tofile(folder / LABELS)
        self._description.write(folder / DESCRIPTION)

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:
        """Return the column `predicted_label`; with the parameter verbose=true, `distances` and `labels` as well.

        distances : (n_rows, k) float32, ascending: squared Euclidean, negative inner product, or 1 - cosine
        labels : (n_rows, k) float32, in the order of the distances
        """
        if batch.width != self.width:
            raise DataError(f"request body: rows of {self.width} features; got {batch.width}")
        refuse_missing(batch, "request body, row")
        if self._threads is not None:
            use_threads(self._threads)
        with np.errstate(over="ignore", invalid="ignore"):
            distances, labels = self.nearest(batch)
        refuse_overflow(distances, "distance")
        columns = {"predicted_label": self.answers(labels)}
        if accept.parameters.get("verbose", "").lower() == "true":
            columns |= {"distances": distances, "labels": labels}
        return Predictions(columns)

    def nearest(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return distances and labels of the k nearest vectors for each row, both (n_rows, k) float32."""
        k = self._description.k
        distances, labels = np.empty((len(batch), k), np.float32), np.empty((len(batch), k), np.float32)
        step = max(1, BLOCK_BYTES // (4 * max(self.width, self._neighbours.dim)))
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            found, positions = self._neighbours.search(self._preparation(batch.features[part]), k)
            distances[part], labels[part] = found, self._labels[positions]
        if self._description.normalize:
            # of vectors of length 1 both say the same; an index may have been made for either
            if self._neighbours.metric == "L2":
                distances *= np.float32(0.5)
            else:
                distances += np.float32(1)
        return distances, labels

    def answers(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the answer of each row of (n_rows, k) labels."""
        classifies = self._description.predictor_type == "classifier"
        return voting.majority(labels) if classifies else voting.mean(labels)


def load(folder: Path, threads: int) -> KNNModel:
    """Read what `KNNModel.save`, or the original container, wrote.

    Raises
    ------
    ModelDataError : a file is missing or damaged, or does not fit the others
    """
    use_threads(threads)
    description = described.read(folder / DESCRIPTION)
    index = index_file.checked(folder / index_file.NAME)
    labels = _labels(folder / LABELS, index.count)
    _check(description, index, folder / DESCRIPTION)
    neighbours: Neighbours
    neighbours = (
        Exhaustive(index.vectors(), index.metric, owned=True) if index.kind == "Flat" else read_lists(index.path)
    )
    return KNNModel(neighbours, labels, description, threads=threads)


def _labels(path: Path, count: int) -> NDArray[np.float32]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelDataError(f"{path}: the labels of a knn model are needed; got {error.strerror}") from error
    if len(content) != 4 * count:
        raise ModelDataError(f"{path}: {count} labels of 4 bytes, one a vector, are needed; got {len(content)} bytes")
    labels = np.frombuffer(content, "<f4").astype(np.float32)
    if not np.isfinite(labels).all():
        raise ModelDataError(f"{path}: labels that are finite numbers are needed; got others")
    return labels


def _check(description: Description, index: index_file.IndexFile, path: Path) -> None:
    if description.k > index.count:
        raise ModelDataError(f'{path}: "k" must be at most the {index.count} rows of the index; got {description.k}')
    if description.reduction and description.target_dim != index.dim:
        raise ModelDataError(
            f'{path}: "target_dim" must be that of the index, {index.dim}; got {description.target_dim}'
        )
    if not description.reduction and (description.feature_dim or 0) > index.dim:
        raise ModelDataError(
            f'{path}: "input_dim" must be at most that of the index, {index.dim}; got {description.feature_dim}'
        )
