"""From a training job to the sample that its forest is built of, and from the forest to figures of the test channel."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError, TrainingStopped, UserError
from sagecask_vectors.randomcutforest.evaluation import detection
from sagecask_vectors.randomcutforest.hyperparameters import ACCURACY, PRECISION_RECALL_FSCORE
from sagecask_vectors.randomcutforest.sampling import Reservoir, shares
from sagecask_vectors.stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.algorithm import Job
    from sagecask_vectors.randomcutforest.evaluation import Detection
    from sagecask_vectors.randomcutforest.hyperparameters import RandomCutForestHyperparameters
    from sagecask_vectors.randomcutforest.model import RandomCutForestModel

# there is no hyperparameter for it, and the same job is to give the same forest
SEED = 0


def random_of(stream: int) -> np.random.Generator:
    """Return one of the independent generators of a job: a host's own, or one that all hosts share."""
    return np.random.default_rng([SEED, stream])


def sampled(job: Job[RandomCutForestHyperparameters]) -> NDArray[np.float32]:
    """Return a uniform sample of all hosts' rows, the same on every host; after a stop signal, of those seen so far.

    Raises
    ------
    DataError : there are fewer rows than trees
    """
    given, cluster = job.hyperparameters, job.cluster
    capacity = given.num_trees * given.num_samples_per_tree
    mine = random_of(cluster.rank)
    row_bytes = 4 * given.feature_dim
    reservoir = Reservoir(capacity, given.feature_dim, mine, lambda n: check_memory(job, n, n * row_bytes))
    for batch in Stream(job.channels["train"], cluster, feature_dim=given.feature_dim).epoch(given.mini_batch_size):
        reservoir.add(batch.features)
    seen = [int(each[0]) for each in cluster.gather(np.array([reservoir.seen], np.int64))]
    if sum(seen) < given.num_trees:
        raise DataError(
            f'channel "train": a row at least for each of {given.num_trees} trees is needed; got {sum(seen)} rows'
        )
    n_rows = min(capacity, sum(seen))
    share = shares(seen, n_rows, random_of(cluster.size))[cluster.rank]
    chosen = reservoir.sample
    if share < len(chosen):
        chosen = chosen[mine.permutation(len(chosen))[:share]]
    if cluster.size == 1:
        return chosen
    # what comes from the hosts, and all of it in one
    check_memory(job, n_rows, 2 * n_rows * row_bytes)
    return np.concatenate(cluster.gather(chosen))


def check_memory(job: Job[RandomCutForestHyperparameters], n_rows: int, needed: int) -> None:
    """Refuse a sample, or the forest of one, which this host has no memory for.

    Parameters
    ----------
    needed : bytes to be allocated for a sample of `n_rows`

    Raises
    ------
    UserError : says how much is needed and how much is left
    """
    given = job.hyperparameters
    left = job.available_memory()
    if left is not None and needed > left:
        raise UserError(
            f"randomcutforest: memory for {n_rows} sampled rows of {given.feature_dim} features in {given.num_trees} "
            f"trees, {needed / 2**20:.0f} MiB, is needed; got {left / 2**20:.0f} MiB (lower num_trees or "
            "num_samples_per_tree, or take a larger machine)"
        )


def evaluated(job: Job[RandomCutForestHyperparameters], model: RandomCutForestModel) -> Detection | None:
    """Score the test channel; five bytes of each of its rows are kept. None where the job is to end before it is done.

    Raises
    ------
    DataError : a label is neither 0 nor 1
    """
    given = job.hyperparameters
    stream = Stream(job.channels["test"], job.cluster, label_size=1, feature_dim=given.feature_dim, labelled=True)
    scores, labels = [np.empty(0, np.float32)], [np.empty(0, np.bool_)]
    # a stop before the first row; the forest is there all the same
    with suppress(TrainingStopped):
        for batch in stream.epoch(given.mini_batch_size):
            assert batch.labels is not None
            wrong = batch.labels[(batch.labels != 0) & (batch.labels != 1)]
            if len(wrong):
                raise DataError(f"{stream.where}: labels of 0 (normal) or 1 (anomaly) are needed; got {wrong[0]:g}")
            scores.append(model.scores(batch))
            labels.append(batch.labels == 1)
    if job.cluster.any(job.stop_requested()):
        return None
    return detection(np.concatenate(scores), np.concatenate(labels), job.cluster)


def report(job: Job[RandomCutForestHyperparameters], found: Detection) -> None:
    """Write the lines of the figures that the job asks for."""
    wanted = job.hyperparameters.eval_metrics
    normal = found.mirrored
    # tuning jobs watch it whatever else is asked for
    values = {"f1": found.f1}
    if ACCURACY in wanted:
        values |= {"accuracy": found.accuracy}
    if PRECISION_RECALL_FSCORE in wanted:
        values |= {"precision": found.precision, "recall": found.recall}
        values |= {"negative_f1": normal.f1, "negative_precision": normal.precision, "negative_recall": normal.recall}
    for name, value in values.items():
        job.report.quality("test", name, "score", value)
        job.report.score("test", name, value)
