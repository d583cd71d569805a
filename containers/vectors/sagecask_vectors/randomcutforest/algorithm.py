"""Random Cut Forest: what it declares, and training from a job to a model."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_vectors.randomcutforest.declaration import DECLARATION
from sagecask_vectors.randomcutforest.model import RandomCutForestModel

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.randomcutforest.hyperparameters import RandomCutForestHyperparameters

_log = logging.getLogger(__name__)


class RandomCutForest(Algorithm):
    """Scores rows by how soon random cuts would part them from a sample of all rows.

    Each of `num_trees` trees cuts the bounding box of its own sample until every leaf holds one point, drawing the
    dimension with probability proportional to the box's side and the place uniformly on that side. With p(v) the
    probability that a cut of the box at node v, grown to hold x, would part x from it, a tree of n rows gives a row x

        log2(n + 1) * E[1 / depth of x] = log2(n + 1) * f(root),  f(v) = p(v) / (d(v) + 1) + (1 - p(v)) f(child of v)

    and the score is the mean over the trees: below 1 for rows like the others, up to log2(n + 1) for one far away.

    The wrong choice where anomalies lie between groups of normal rows in a few of very many dimensions, where features
    have units of their own sizes (a feature counts with its range, so scale them first), and for the order of rows in
    time, of which a forest knows nothing unless a row holds a window of values.

    Reference: Guha, Mishra, Roy and Schrijvers, Robust Random Cut Forest Based Anomaly Detection on Streams, ICML 2016,
    definition 1 (trees) and section 3 (insertion, by which rows are scored).
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[RandomCutForestHyperparameters]:
        from sagecask_vectors.randomcutforest.hyperparameters import (  # noqa: PLC0415 - serving does without it
            RandomCutForestHyperparameters,
        )

        return RandomCutForestHyperparameters

    def fit(self, job: Job[RandomCutForestHyperparameters]) -> RandomCutForestModel:
        # serving does without what training imports
        from sagecask_vectors.randomcutforest import training  # noqa: PLC0415
        from sagecask_vectors.randomcutforest.forest import Forest, memory_needed  # noqa: PLC0415
        from sagecask_vectors.randomcutforest.sampling import dealt  # noqa: PLC0415

        n_trees = job.hyperparameters.num_trees
        sample = training.sampled(job)
        n_rows = len(sample) // n_trees
        _log.info("%d trees of %d rows each, out of a sample of %d", n_trees, n_rows, len(sample))
        needed = memory_needed(n_trees * n_rows, sample.shape[1], scored="test" in job.channels)
        training.check_memory(job, n_trees * n_rows, needed)
        # every host builds the same forest, so that each can score its part of the test channel
        parts = dealt(sample, n_trees, training.random_of(job.cluster.size + 1))
        del sample
        forest = Forest.build(parts, training.SEED)
        del parts
        model = RandomCutForestModel(forest, threads=len(os.sched_getaffinity(0)))
        found = training.evaluated(job, model) if "test" in job.channels else None
        if found is not None:
            training.report(job, found)
        return model

    def load(self, folder: Path, settings: InferenceSettings) -> RandomCutForestModel:
        return RandomCutForestModel.load(folder, threads=settings.threads)
