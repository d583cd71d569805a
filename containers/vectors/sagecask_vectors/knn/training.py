"""The three stages of a job: sample rows, reduce their dimension as they come in, build the index; then score it."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from sagecask.errors import HyperparameterError, TrainingStopped, UserError
from sagecask_vectors.knn.building import Lists, inverted_lists, most_parts, padded_dim
from sagecask_vectors.knn.description import Description
from sagecask_vectors.knn.index_file import write_flat
from sagecask_vectors.knn.model import KNNModel
from sagecask_vectors.knn.neighbours import Exhaustive, InvertedLists
from sagecask_vectors.knn.sampling import Reservoir, gathered, labels_of
from sagecask_vectors.knn.scoring import ClassScores, Scores, SquaredError, write
from sagecask_vectors.stream import Stream, refuse_large

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.algorithm import Job
    from sagecask_vectors.knn.hyperparameters import KNNHyperparameters

_log = logging.getLogger(__name__)
SEED = 0
"""Of sampling and projection: jobs have no hyperparameter for it."""


def see_to_gpus(gpus: int) -> None:
    """Say in the log where a job's GPUs cannot be used."""
    if gpus and not hasattr(faiss, "StandardGpuResources"):
        _log.warning("%d GPU(s) are there but this build of faiss cannot use them: searching on CPU", gpus)
    elif gpus > 1:
        _log.info("one GPU of %d is used", gpus)


def sample(job: Job[KNNHyperparameters]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sampled vectors (n, index_dim) of all hosts and their labels (n,), both float32.

    Raises
    ------
    UserError : there are fewer than k rows
    TrainingStopped : the job was asked to stop before there were
    """
    given, cluster = job.hyperparameters, job.cluster
    share = -(-given.sample_size // cluster.size)
    _log.info(
        "Using per-worker sample size = %d (Available virtual memory = %s bytes, number of workers = %d). If memory "
        "runs out: a larger machine, dimension_reduction_type, or a smaller sample_size or mini_batch_size",
        share, _available_memory(), cluster.size,
    )  # fmt: skip
    description = _description(given)
    index_dim = description.target_dim or given.feature_dim
    reservoir = Reservoir(share, index_dim, description.preparation(index_dim), SEED + cluster.rank)
    # divided by the hosts without a rest, so that none gets more rows than its share of a small channel
    size = -(-given.mini_batch_size // cluster.size) * cluster.size
    stream = Stream(job.channels["train"], cluster, label_size=1, feature_dim=given.feature_dim, labelled=True)
    start = time.perf_counter()
    # hosts that exchange something for each batch must not part in the middle
    with suppress(*() if stream.sharded else (TrainingStopped,)):
        for number, batch in enumerate(stream.epoch(size)):
            reservoir.add(batch, (number * cluster.size + cluster.rank) * size)
    job.report.progress(1, 1)
    job.report.throughput(reservoir.seen / (time.perf_counter() - start))
    vectors, labels = gathered(reservoir, given.sample_size, cluster, SEED)
    if len(labels) < given.k:
        if cluster.any(job.stop_requested()):
            raise TrainingStopped
        raise UserError(f'channel "train": at least as many rows as k are needed, {given.k}; got {len(labels)}')
    if len(labels) < given.sample_size:
        _log.info("the index has all %d rows; sample_size allows for %d", len(labels), given.sample_size)
    return vectors, labels


def indexed(vectors: NDArray[np.float32], labels: NDArray[np.float32], given: KNNHyperparameters) -> KNNModel:
    """Return the model over sampled vectors and labels.

    Raises
    ------
    DataError : vectors are so long that float32 does not hold their squared distances
    HyperparameterError : there are fewer vectors than faiss_index_ivf_nlists
    """
    metric = "L2" if given.index_metric == "L2" else "INNER_PRODUCT"
    with np.errstate(over="ignore", invalid="ignore"):
        refuse_large(np.einsum("ij,ij->i", vectors, vectors) if metric == "L2" else vectors, 'channel "train"')
    description = _description(given)
    if given.index_type == "faiss.Flat":
        return KNNModel(
            Exhaustive(vectors, metric), labels, description, lambda path: write_flat(path, vectors, metric)
        )
    lists = given.faiss_index_ivf_nlists
    if lists != "auto" and lists > len(vectors):
        raise HyperparameterError(
            f'knn: hyperparameter "faiss_index_ivf_nlists" must be at most the number of sampled rows, {len(vectors)}; '
            f'got "{lists}"'
        )
    index = inverted_lists(vectors, metric, Lists(lists, given.faiss_index_nprobe, _parts(given)))
    return KNNModel(InvertedLists(index), labels, description, lambda path: _write(index, path))


def score(model: KNNModel, job: Job[KNNHyperparameters]) -> None:
    """Write the metric lines of the test channel, whose rows the hosts share."""
    given = job.hyperparameters
    scores: Scores = ClassScores() if given.predictor_type == "classifier" else SquaredError()
    stream = Stream(job.channels["test"], job.cluster, label_size=1, feature_dim=given.feature_dim, labelled=True)
    for batch in stream.epoch(given.mini_batch_size):
        if len(batch):
            scores.add(labels_of(batch), model.answers(model.nearest(batch)[1]))
    write(job.report, "test", scores, job.cluster)


def _parts(given: KNNHyperparameters) -> int | None:
    """Return the sub-vectors of the product quantiser, None where there is none."""
    if given.index_type != "faiss.IVFPQ":
        return None
    return given.faiss_index_pq_m or most_parts(_target(given))


def _target(given: KNNHyperparameters) -> int:
    reduced = given.dimension_reduction_target if given.dimension_reduction_type else None
    return reduced or given.feature_dim


def _description(given: KNNHyperparameters) -> Description:
    return Description(
        k=given.k,
        predictor_type=given.predictor_type,
        feature_dim=given.feature_dim,
        reduction=given.dimension_reduction_type,
        target_dim=padded_dim(_target(given), _parts(given) or 1),
        seed=SEED,
        normalize=given.index_metric == "COSINE",
    )


def _write(index: Any, path: Path) -> None:  # noqa: ANN401 - an index of faiss
    faiss.write_index(index, str(path))


def _available_memory() -> int | str:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return "unknown"
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(kilobytes) * 1024 if kilobytes else "unknown"
