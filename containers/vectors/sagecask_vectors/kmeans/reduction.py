"""The last stage: K centers of a whole stream become k."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from sagecask_vectors.kmeans.lloyd import Points, lloyd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.kmeans.centers import Centers
    from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters
    from sagecask_vectors.kmeans.sample import Sample

_log = logging.getLogger(__name__)
TRIALS = 10
# the best trials go on with rows
_FINALISTS = 3


def reduce(
    centers: Centers, sample: Sample, given: KMeansHyperparameters, draw: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Return k centers, (k, n_features), and the mean squared distance of the rows to them.

    Lloyd's algorithm first runs on the K centers, several times from other starts. The best runs go on with rows of
    the stream, since a row between two of the k centers need not follow the other rows of its own of the K.
    """
    seen = centers.weights > 0
    points = Points(centers.means[seen].astype(np.float32), centers.weights[seen])
    _log.info("shrinking %d centers into %d", len(points.rows), given.k)
    trials = TRIALS if given.local_lloyd_num_trials == "auto" else given.local_lloyd_num_trials
    if len(points.rows) <= given.k:
        # whatever the start, each is its own center
        trials = 1
    limits = given.local_lloyd_max_iter, given.local_lloyd_tol
    coarse = [lloyd(points, points.start(given.local_lloyd_init_method, given.k, draw), *limits) for _ in range(trials)]
    order = sorted(range(trials), key=lambda trial: coarse[trial][1])
    fine, scatter = calibrated(centers, sample)
    runs = {trial: lloyd(fine, coarse[trial][0], *limits) for trial in order[:_FINALISTS]}
    best = min(runs, key=lambda trial: runs[trial][1])
    for trial in sorted(runs):
        _log.info("attempt %d: msd %.6g", trial, runs[trial][1] + scatter)
    found, loss = runs[best]
    _log.info("attempt %d of 0-%d has the lowest loss", best, trials - 1)
    missing = given.k - len(found)
    if missing:
        _log.warning("k: at least %d different rows are needed; got %d, so that centers are equal", given.k, len(found))
        found = np.concatenate([found, found[np.zeros(missing, np.int64)]])
    return found, loss + scatter


def calibrated(centers: Centers, sample: Sample) -> tuple[Points, float]:
    """Return the sample's rows weighted and moved so that those of each of the K centers add up to all it has seen.

    A center without rows in the sample stands for its rows itself.

    Returns
    -------
    the points, and what the mean squared distance lacks by such centers
    """
    weights, cells = sample.weights(), sample.cells
    found = np.bincount(cells, weights, len(centers))
    kept = found > 0
    inside = weights / np.where(kept, found, 1)[cells]
    rows = sample.rows
    means = np.zeros_like(centers.means)
    np.add.at(means, cells, inside[:, None] * rows)
    moved = (rows + (centers.means - means)[cells]).astype(np.float32)
    alone = ~kept & (centers.weights > 0)
    points = Points(
        np.concatenate([moved, centers.means[alone].astype(np.float32)]),
        np.concatenate([inside * centers.weights[cells], centers.weights[alone]]),
    )
    return points, float(centers.scatter[alone].sum() / centers.weights.sum())
