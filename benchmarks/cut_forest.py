"""Random cut forest: 50 trees of 256 rows, and scores of 100,000 rows of 4 features, beside krcf and scikit-learn.

krcf wraps the Rust core of the original's own library; it is fed the same sample row by row, then scores the same rows
one by one, which is all that it offers. scikit-learn's isolation forest has as many trees of as many rows, no boxes.
Each contender is a fresh process on the same seeded rows, in turn, the order rotated, and warms up on a part of them.
Seconds are those of the clock, microseconds a row those of the processor, which other work beside it disturbs less.

BENCH_ROWS and BENCH_REPEATS make it smaller.
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

    Array = NDArray[np.float32]

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
FEATURES, TREES, SAMPLES, ANOMALIES = 4, 50, 256, 0.01
SINGLE = 500


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of every contender, with ratios to krcf."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    names = list(CONTENDERS)
    for repeat in range(REPEATS):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            found[name].append(measured(name))
    peers = found["krcf"]
    for name, runs in found.items():
        yield {
            "what": name,
            "build, s": _median(runs, "build"),
            f"{ROWS:,} rows, s": _median(runs, "seconds"),
            "spread": f"{min(run['seconds'] for run in runs):.2f}-{max(run['seconds'] for run in runs):.2f}",
            "processor, µs a row": _median(runs, "processor"),
            "of krcf": statistics.median(
                run["processor"] / peer["processor"] for run, peer in zip(runs, peers, strict=True)
            ),
            "1 row, µs": 1e6 * _median(runs, "single"),
            "peak MiB": _median(runs, "peak"),
            "AUC": f"{runs[0]['auc']:.4f}",
            "mean score": runs[0]["mean"],
        }


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def measured(name: str) -> dict[str, Any]:
    """Return what a fresh process of one contender measured."""
    environ = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True, env=environ, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# --- inside the process of a contender -----------------------------------------------------------------------


def run(name: str) -> dict[str, Any]:
    """Build, warm up, and time all rows and single ones."""
    import numpy as np  # noqa: PLC0415 - threads are set before it loads

    rows, labels, sample = data()
    start = time.perf_counter()
    score = CONTENDERS[name](sample)
    build = time.perf_counter() - start
    score(rows[: len(rows) // 10])
    start, cpu = time.perf_counter(), time.process_time()
    scores = score(rows)
    seconds, processor = time.perf_counter() - start, time.process_time() - cpu
    start = time.perf_counter()
    for row in range(SINGLE):
        score(rows[row % ROWS : row % ROWS + 1])
    single = (time.perf_counter() - start) / SINGLE
    return {
        "build": build,
        "seconds": seconds,
        "processor": 1e6 * processor / ROWS,
        "single": single,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "auc": area(np.asarray(scores), labels),
        "mean": float(np.mean(scores)),
    }


def data() -> tuple[Array, NDArray[np.bool_], Array]:
    """Return rows of three groups with anomalies all around them, which are anomalies, and a sample of the rows."""
    import numpy as np  # noqa: PLC0415 - as above

    draw = np.random.default_rng(0)
    centres = 6 * draw.standard_normal((3, FEATURES))
    rows = centres[draw.integers(0, 3, ROWS)] + draw.standard_normal((ROWS, FEATURES))
    labels = draw.random(ROWS) < ANOMALIES
    rows[labels] = draw.uniform(-12, 12, (labels.sum(), FEATURES))
    sample = rows[draw.permutation(ROWS)[: TREES * SAMPLES]]
    return rows.astype(np.float32), labels, sample.astype(np.float32)


def area(scores: NDArray[np.floating[Any]], labels: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: how often an anomaly scores above a normal row."""
    from scipy.stats import rankdata  # noqa: PLC0415 - as above

    positive = int(labels.sum())
    above = float(rankdata(scores)[labels].sum()) - positive * (positive + 1) / 2
    return above / (positive * (len(labels) - positive))


def sagecask(threads: int) -> Callable[[Array], Any]:
    """Return how our forest is built and asked."""

    def build(sample: Array) -> Any:  # noqa: ANN401 - a function
        from sagecask_vectors.randomcutforest.forest import Forest  # noqa: PLC0415 - as above

        n_rows = len(sample) // TREES
        forest = Forest.build(sample[: TREES * n_rows].reshape(TREES, n_rows, FEATURES), 0)
        forest.prepare()
        return lambda rows: forest.scores(rows, threads)

    return build


def krcf(sample: Array) -> Any:  # noqa: ANN401 - a function
    """Return how krcf is fed and asked; all rows become its lists of numbers in the first call, which warms up."""
    import numpy as np  # noqa: PLC0415 - as above
    from krcf import RandomCutForest  # noqa: PLC0415 - as above

    options = {"dimensions": FEATURES, "shingle_size": 1, "num_trees": TREES, "sample_size": SAMPLES}
    forest = RandomCutForest(options | {"output_after": 1, "random_seed": 0, "lambda": 0.0})
    for row in sample.tolist():
        forest.update(row)
    lists: list[list[float]] = []

    def score(rows: Array) -> Any:  # noqa: ANN401 - an array
        if not lists:
            lists.extend(data()[0].tolist())
        return np.array([forest.score(row) for row in (lists if len(rows) == ROWS else rows.tolist())])

    return score


def scikit_learn(sample: Array) -> Any:  # noqa: ANN401 - a function
    """Return how scikit-learn's isolation forest is fitted and asked."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - as above

    forest = IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(sample)), random_state=0).fit(sample)
    return lambda rows: -forest.score_samples(rows)


CONTENDERS: dict[str, Callable[[Array], Any]] = {
    "krcf": krcf,
    "sagecask": sagecask(1),
    "sagecask, 2 threads": sagecask(2),
    "scikit-learn isolation forest": scikit_learn,
}

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
