"""K-means: one epoch over 1,000,000 rows of 50 features, 100 clusters, beside scikit-learn and faiss.

Rows lie around 100 centers with variance 1 a feature, so that the mean squared distance to the true centers is 50. The
limit is one assignment pass: products of 5,000 rows at a time with 100 centers, and the closest of each. Each
contender is a fresh process, in turn; where other processes want the cores too, CPU time tells more than the clock
does. Peak memory holds data and libraries.

BENCH_ROWS, BENCH_REPEATS and BENCH_THREADS make it smaller.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
THREADS = os.environ.get("BENCH_THREADS", str(len(os.sched_getaffinity(0))))
FEATURES, K, BATCH = 50, 100, 5000


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of every contender, with ratios to one assignment pass."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(REPEATS):
        for name, runs in found.items():
            runs.append(measured(name))
    for name, runs in found.items():
        yield {
            "what": name,
            "seconds": _median(runs, "seconds"),
            "spread": f"{min(run['seconds'] for run in runs):.2f}-{max(run['seconds'] for run in runs):.2f}",
            "of a pass": _ratio(runs, found["assignment pass"], "seconds"),
            "CPU, s": _median(runs, "cpu"),
            "CPU of a pass": _ratio(runs, found["assignment pass"], "cpu"),
            "msd": runs[0]["msd"],
            "peak MiB": _median(runs, "peak"),
        }


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def _ratio(runs: list[dict[str, Any]], base: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] / other[key] for run, other in zip(runs, base, strict=True))


def measured(name: str) -> dict[str, Any]:
    """Return what a fresh process of one contender measured."""
    environ = os.environ | {"OMP_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS, "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True, env=environ, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# --- inside the process of a contender -----------------------------------------------------------------------


def run(name: str) -> dict[str, Any]:
    """Time one contender and score its centers on all rows."""
    import numpy as np  # noqa: PLC0415 - threads are set before it loads

    draw = np.random.default_rng(0)
    middles = 1.4 * draw.standard_normal((K, FEATURES))
    data = np.empty((ROWS, FEATURES), np.float32)
    for start in range(0, ROWS, 50_000):
        part = data[start : start + 50_000]
        part[:] = middles[draw.integers(0, K, len(part))] + draw.standard_normal(part.shape)
    fit = CONTENDERS[name](data[: ROWS // 20])
    start_time, begun = time.perf_counter(), time.process_time()
    centers = fit(data)
    seconds, cpu = time.perf_counter() - start_time, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "msd": msd(data, centers), "peak": peak}


def msd(data: Array, centers: Array) -> float:
    """Return the mean squared distance of rows to their closest center."""
    centers = centers.astype(data.dtype)
    lengths, total = (centers * centers).sum(axis=1), 0.0
    for start in range(0, len(data), BATCH):
        part = data[start : start + BATCH]
        total += float((lengths - 2 * part @ centers.T).min(axis=1).sum() + (part * part).sum())
    return total / len(data)


def assignment_pass(warm: Array) -> Callable[[Array], Array]:
    """Find the closest of 100 centers for each row, as numpy does it."""

    def fit(data: Array) -> Array:
        centers = data[:K].copy()
        lengths = (centers * centers).sum(axis=1)
        for start in range(0, len(data), BATCH):
            distances = data[start : start + BATCH] @ centers.T
            distances *= -2
            distances += lengths
            distances.argmin(axis=1)
        return centers

    fit(warm)
    return fit


def sagecask(warm: Array, *, reduced: bool = True, **given: str) -> Callable[[Array], Array]:
    """Follow the rows for one epoch, and reduce to 100 centers."""
    import numpy as np  # noqa: PLC0415 - as above
    from sagecask_vectors.kmeans.following import Following  # noqa: PLC0415 - as above
    from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters  # noqa: PLC0415 - as above
    from sagecask_vectors.kmeans.reduction import reduce  # noqa: PLC0415 - as above

    from sagecask.cluster import Cluster  # noqa: PLC0415 - as above
    from sagecask.formats import Batch  # noqa: PLC0415 - as above

    texts = {"feature_dim": str(FEATURES), "k": str(K), "mini_batch_size": str(BATCH)} | given
    parsed = KMeansHyperparameters.parse(texts, owner="kmeans")

    def fit(data: Array) -> Array:
        following = Following(parsed, Cluster(("algo-1",), "algo-1"), None)
        for start in range(0, len(data), BATCH):
            following.add(Batch(data[start : start + BATCH]))
        if not reduced:
            return following.centers.means + following.origin
        following.sample.cut()
        return reduce(following.centers, following.sample, parsed, np.random.default_rng(0))[0] + following.origin

    fit(warm)
    return fit


def scikit_learn(warm: Array, *, mini_batch: bool = False) -> Callable[[Array], Array]:
    """Run ten iterations of KMeans, or MiniBatchKMeans as it comes."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # noqa: PLC0415 - as above
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - as above

    def fit(data: Array) -> Array:
        import warnings  # noqa: PLC0415 - as above

        warnings.simplefilter("ignore", ConvergenceWarning)
        if mini_batch:
            return MiniBatchKMeans(K, n_init=1, batch_size=BATCH, random_state=0).fit(data).cluster_centers_
        return KMeans(K, n_init=1, max_iter=10, random_state=0).fit(data).cluster_centers_

    fit(warm[:2000])
    return fit


def faiss(_: Array) -> Callable[[Array], Array]:
    """Run ten iterations of faiss on all rows."""
    import faiss as library  # noqa: PLC0415 - as above

    def fit(data: Array) -> Array:
        fitted = library.Kmeans(FEATURES, K, niter=10, seed=0, max_points_per_centroid=len(data))
        fitted.train(data)
        return fitted.centroids

    return fit


CONTENDERS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "assignment pass": assignment_pass,
    "sagecask, following the stream": lambda warm: sagecask(warm, reduced=False),
    "sagecask, one epoch": sagecask,
    "sagecask, one epoch, factor 2": lambda warm: sagecask(warm, extra_center_factor="2"),
    "MiniBatchKMeans": lambda warm: scikit_learn(warm, mini_batch=True),
    "KMeans, 10 iterations": scikit_learn,
    "faiss, 10 iterations": faiss,
}

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
