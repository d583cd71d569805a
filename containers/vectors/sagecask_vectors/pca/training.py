"""Training from a job to a model, and the scores that it reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError, UserError
from sagecask_vectors.pca.model import PCAModel
from sagecask_vectors.pca.moments import BLOCK, Moments, components
from sagecask_vectors.stream import Stream, refuse_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sagecask.algorithm import Job
    from sagecask.formats import Batch
    from sagecask_vectors.pca.hyperparameters import PCAHyperparameters

# how far, in standard deviations, the mean may be from zero before float32 products lose digits that matter
_FAR = 0.5


def train(job: Job[PCAHyperparameters]) -> PCAModel:
    """Train on one pass over the channel `train`, and score the channel `test` where there is one.

    Raises
    ------
    DataError : rows do not have feature_dim numbers, or such that float32 does not hold their products, or there are
        fewer than num_components
    UserError : regular mode has no room for its feature_dim squared numbers
    """
    given = job.hyperparameters
    regular = given.algorithm_mode == "regular"
    mean, values, vectors = (by_moments if regular else by_sketch)(job)
    model = PCAModel(
        v=_signed(vectors).astype(np.float32),
        s=values.astype(np.float32),
        mean=mean.astype(np.float32)[None] if given.subtract_mean else None,
    )
    if "test" in job.channels and not job.cluster.any(job.stop_requested()):
        score(model, job)
    return model


Found = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def by_moments(job: Job[PCAHyperparameters]) -> Found:
    """Return mean, singular values and components of the exact covariance."""
    given = job.hyperparameters
    gpu = None
    if job.gpus:
        from sagecask.neural.devices import device  # noqa: PLC0415 - jobs on a CPU do without torch

        found = device(job.gpus)
        gpu = found if found.type == "cuda" else None
    moments = None
    with np.errstate(over="ignore", invalid="ignore"):
        for batch in _batches(job, "train", max(given.mini_batch_size, BLOCK)):
            moments = moments or _moments(job, batch, gpu)
            moments.add(batch.features)
        assert moments is not None
        moments.merge(job.cluster)
    refuse_large(moments.products, 'channel "train"')
    _check_rows(int(moments.rows[0]), given.num_components)
    mean = moments.mean
    return mean, *components(moments.scatter(centred=given.subtract_mean), given.num_components)


def _moments(job: Job[PCAHyperparameters], first: Batch, gpu: object | None) -> Moments:
    width = job.hyperparameters.feature_dim
    try:
        return Moments(_origin(job, first), gpu)
    except MemoryError as error:
        raise UserError(
            f"pca: algorithm_mode regular needs room for {width} x {width} numbers; got too little memory, of which "
            "randomized needs less"
        ) from error


def _origin(job: Job[PCAHyperparameters], first: Batch) -> NDArray[np.float32]:
    """Return where to measure from: the mean of the first mini-batch of all hosts where it is far from zero."""
    sums = np.zeros((2, first.width))
    if job.hyperparameters.subtract_mean and isinstance(first.features, np.ndarray):
        sums[0] = first.features.sum(axis=0, dtype=np.float64)
        sums[1] = np.square(first.features, dtype=np.float64).sum(axis=0)
    count = np.array([float(len(first))])
    job.cluster.sum(sums, count)
    mean, square = sums / count
    far = mean @ mean > _FAR**2 * (square - mean * mean).sum()
    return np.asarray(mean if far else np.zeros_like(mean), np.float32)


def by_sketch(job: Job[PCAHyperparameters]) -> Found:
    """Return mean, singular values and components as random projections find them."""
    from sagecask.neural.devices import device  # noqa: PLC0415 - regular mode does without torch
    from sagecask_vectors.pca.sketch import Sketch  # noqa: PLC0415 - imports torch

    given, cluster = job.hyperparameters, job.cluster
    sketch = Sketch(
        given.feature_dim,
        given.directions,
        device(job.gpus),
        centred=given.subtract_mean,
        stream=cluster.rank,
    )
    # fewer rows than directions would only be boiled down in vain
    for batch in _batches(job, "train", max(given.mini_batch_size, 2 * given.directions)):
        sketch.add(batch.features)
    sketch.merge(cluster)
    _check_rows(sketch.rows, given.num_components)
    return sketch.mean, *sketch.components(given.num_components)


def _check_rows(n_rows: int, needed: int) -> None:
    if n_rows < needed:
        raise DataError(f'channel "train": at least num_components = {needed} rows are needed; got {n_rows}')


def _batches(job: Job[PCAHyperparameters], channel: str, size: int) -> Iterator[Batch]:
    width = job.hyperparameters.feature_dim
    return Stream(job.channels[channel], job.cluster, label_size=1, feature_dim=width).epoch(size)


def _signed(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return components whose number of the largest size is positive, since either sign is right."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return vectors * signs


def score(model: PCAModel, job: Job[PCAHyperparameters]) -> None:
    """Report what the components leave of the test rows: mean squared error of a number, and share of variance kept."""
    sums = np.zeros(3)
    for batch in _batches(job, "test", job.hyperparameters.mini_batch_size):
        rows = batch.features if isinstance(batch.features, np.ndarray) else batch.features.toarray()
        rows = rows - (0 if model.mean is None else model.mean)
        total = np.square(rows, dtype=np.float64).sum()
        with np.errstate(over="ignore", invalid="ignore"):
            kept = np.square(rows @ model.v, dtype=np.float64).sum()
        sums += total, np.maximum(0.0, total - kept), rows.size
    job.cluster.sum(sums)
    refuse_large(sums, 'channel "test"')
    total, lost, size = sums
    job.report.quality("test", "mse", "loss", lost / size)
    job.report.quality("test", "explained_variance", "score", 1 - lost / total if total else 1.0)
