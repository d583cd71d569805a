"""Training from a job to a model, and the scores that it reports."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from sagecask_vectors.kmeans.assignment import located
from sagecask_vectors.kmeans.following import SEED, Following
from sagecask_vectors.kmeans.model import KMeansModel
from sagecask_vectors.kmeans.reduction import reduce
from sagecask_vectors.stream import Stream, refuse_large

if TYPE_CHECKING:
    import torch

    from sagecask.algorithm import Job
    from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters

_log = logging.getLogger(__name__)


def train(job: Job[KMeansHyperparameters]) -> KMeansModel:
    """Train on the channel `train`, and score the channel `test` where there is one.

    Raises
    ------
    DataError : rows do not have feature_dim numbers, or squared distances that float32 does not hold, or there are
        fewer than k
    """
    gpu = _gpu(job.gpus)
    following = Following(job.hyperparameters, job.cluster, gpu)
    # what overflows is refused
    with np.errstate(over="ignore", invalid="ignore"):
        passes = follow(job, following)
        model, loss = finish(job, following)
    job.report.quality("train", "msd", "loss", loss)
    if "ssd" in job.hyperparameters.eval_metrics:
        job.report.quality("train", "ssd", "loss", loss * following.rows / passes)
    if "test" in job.channels and not job.cluster.any(job.stop_requested()):
        score(model, job, gpu)
    return model


def _gpu(gpus: int) -> torch.device | None:
    """Return the GPU where the job has one that can be used."""
    if not gpus:
        return None
    from sagecask.neural.devices import device  # noqa: PLC0415 - jobs on a CPU do without torch

    found = device(gpus)
    return found if found.type == "cuda" else None


def follow(job: Job[KMeansHyperparameters], following: Following) -> int:
    """Feed all epochs, or those until a stop signal; return how many."""
    given = job.hyperparameters
    stream = Stream(job.channels["train"], job.cluster, label_size=1, feature_dim=given.feature_dim)
    for epoch in range(1, given.epochs + 1):
        start, before = time.perf_counter(), following.own_rows
        for batch in stream.epoch(given.mini_batch_size):
            following.add(batch)
        if epoch == 1 and following.rows < given.mini_batch_size:
            _log.warning(
                "mini_batch_size: at least as many rows are expected; got %d rows for %d, which are one mini-batch",
                following.rows, given.mini_batch_size,
            )  # fmt: skip
        job.report.progress(epoch, given.epochs)
        job.report.throughput((following.own_rows - before) / (time.perf_counter() - start))
        if job.cluster.any(job.stop_requested()):
            return epoch
    return given.epochs


def finish(job: Job[KMeansHyperparameters], following: Following) -> tuple[KMeansModel, float]:
    """Return the model and its loss, which the first host finds for all."""
    given, centers = job.hyperparameters, following.centers
    following.sample.gather(job.cluster)
    centroids, loss = np.zeros((given.k, given.feature_dim), np.float32), np.zeros(1)
    if job.cluster.is_master:
        found, loss[0] = reduce(centers, following.sample, given, np.random.default_rng((SEED, 3)))
        centroids[...] = found + following.origin
    job.cluster.broadcast(centroids)
    job.cluster.broadcast(loss)
    return KMeansModel(centroids), float(loss[0])


def score(model: KMeansModel, job: Job[KMeansHyperparameters], gpu: torch.device | None) -> None:
    """Report msd and ssd, as far as they are asked for, over the test rows of all hosts."""
    given = job.hyperparameters
    totals = np.zeros(2)
    stream = Stream(job.channels["test"], job.cluster, label_size=1, feature_dim=given.feature_dim)
    middle = model.centroids.mean(axis=0)
    for batch in stream.epoch(given.mini_batch_size):
        origin = np.zeros_like(middle) if batch.sparse else middle
        centers = model.centroids.astype(np.float64) - origin
        with np.errstate(over="ignore", invalid="ignore"):
            squared = located(batch.features, origin, gpu).closest(centers)[1]
        totals += float(squared.sum(dtype=np.float64)), len(batch)
    job.cluster.sum(totals)
    refuse_large(totals, 'channel "test"')
    for metric in given.eval_metrics:
        job.report.quality("test", metric, "loss", totals[0] if metric == "ssd" else totals[0] / totals[1])
