"""k-NN: 10,000 rows against 100,000 of 64 features, ten neighbours, beside faiss and scikit-learn.

Each contender is a fresh process on the same seeded clusters, in turn, the order rotated; it answers a part of the rows
first, so that memory has been touched, then all of them under the clock. Where other processes want the cores too, CPU
time tells more than the clock does. `predict` is what a request runs, without decoding and encoding. Peak memory holds
data and libraries; recall is the share of the ten nearest rows that were found.

BENCH_ROWS, BENCH_QUERIES, BENCH_REPEATS and BENCH_THREADS make it smaller.
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
QUERIES = int(os.environ.get("BENCH_QUERIES", "10000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
THREADS = os.environ.get("BENCH_THREADS", str(len(os.sched_getaffinity(0))))
FEATURES, K, CLASSES, CLUSTERS = 64, 10, 20, 300
SINGLE = 200


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of every contender, with ratios to faiss."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    names = list(CONTENDERS)
    for repeat in range(REPEATS):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            found[name].append(measured(name))
    base = {"exhaustive": found["faiss Flat and votes"], "lists": found["faiss IVFFlat and votes"]}
    for name, runs in found.items():
        peer = base["lists" if "IVF" in name else "exhaustive"]
        yield {
            "what": name,
            f"{QUERIES:,} rows, s": _median(runs, "seconds"),
            "spread": f"{min(run['seconds'] for run in runs):.2f}-{max(run['seconds'] for run in runs):.2f}",
            "of faiss": _ratio(runs, peer, "seconds"),
            "CPU, s": _median(runs, "cpu"),
            "CPU of faiss": _ratio(runs, peer, "cpu"),
            "1 row, ms": 1e3 * _median(runs, "single"),
            "build, s": _median(runs, "build"),
            "peak MiB": _median(runs, "peak"),
            "recall": runs[0]["recall"],
            "accuracy": runs[0]["accuracy"],
        }


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def _ratio(runs: list[dict[str, Any]], peer: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] / other[key] for run, other in zip(runs, peer, strict=True))


def measured(name: str) -> dict[str, Any]:
    """Return what a fresh process of one contender measured."""
    environ = os.environ | {"OMP_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS}
    done = subprocess.run([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True, env=environ, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# --- inside the process of a contender -----------------------------------------------------------------------


def run(name: str) -> dict[str, Any]:
    """Build, warm up, and time all rows and single ones."""
    import numpy as np  # noqa: PLC0415 - threads are set before it loads

    draw = np.random.default_rng(0)
    cluster = draw.integers(0, CLUSTERS, ROWS + QUERIES)
    centres = 2 * draw.standard_normal((CLUSTERS, FEATURES))
    both = (centres[cluster] + draw.standard_normal((ROWS + QUERIES, FEATURES))).astype(np.float32)
    labels = (cluster % CLASSES).astype(np.float32)
    start = time.perf_counter()
    predict, neighbours = CONTENDERS[name](both[:ROWS].copy(), labels[:ROWS])
    build = time.perf_counter() - start
    queries = both[ROWS:].copy()
    predict(queries[: QUERIES // 10])
    start, begun = time.perf_counter(), time.process_time()
    answers = predict(queries)
    seconds, cpu = time.perf_counter() - start, time.process_time() - begun
    start = time.perf_counter()
    for row in range(SINGLE):
        predict(queries[row % QUERIES : row % QUERIES + 1])
    single = (time.perf_counter() - start) / SINGLE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    checked = queries[:500]
    exact, found = _exact(both[:ROWS], checked), neighbours(checked)
    recall = np.mean([len({*a} & {*b}) / K for a, b in zip(exact.tolist(), found.tolist(), strict=True)])
    return {
        "seconds": seconds,
        "cpu": cpu,
        "single": single,
        "build": build,
        "peak": peak,
        "recall": float(recall),
        "accuracy": float((answers == labels[ROWS:]).mean()),
    }


def _exact(rows: Array, queries: Array) -> NDArray[np.int64]:
    import faiss  # noqa: PLC0415 - as above

    _, near = faiss.knn(queries, rows, K)
    return near  # type: ignore[no-any-return]


Contender = tuple["Callable[[Array], Array]", "Callable[[Array], NDArray[np.int64]]"]


def sagecask(index_type: str) -> Callable[[Array, Array], Contender]:
    """Return how a model of that index is built and asked."""

    def build(rows: Array, labels: Array) -> Contender:
        from sagecask_vectors.knn.hyperparameters import KNNHyperparameters  # noqa: PLC0415
        from sagecask_vectors.knn.training import indexed  # noqa: PLC0415

        from sagecask.formats import Batch, MediaType  # noqa: PLC0415 - as above

        given = {"feature_dim": FEATURES, "k": K, "predictor_type": "classifier", "sample_size": ROWS}
        texts = {name: str(value) for name, value in given.items()} | {"index_type": f"faiss.{index_type}"}
        parsed = KNNHyperparameters.parse(texts, owner="knn")
        model, positions = (indexed(rows, each, parsed) for each in (labels, _positions(len(rows))))
        accept = MediaType.parse("application/json")
        return (
            lambda queries: model.predict(Batch(queries), accept).columns["predicted_label"],
            lambda queries: positions.nearest(Batch(queries))[1].astype(int),
        )

    return build


def _positions(count: int) -> Array:
    import numpy as np  # noqa: PLC0415 - as above

    return np.arange(count, dtype=np.float32)


def faiss_and_votes(kind: str) -> Callable[[Array, Array], Contender]:
    """Return how faiss is used by hand, with the same vectorised votes."""

    def build(rows: Array, labels: Array) -> Contender:
        import faiss  # noqa: PLC0415 - as above
        from sagecask_vectors.knn.voting import majority  # noqa: PLC0415

        index: Any = faiss.IndexFlatL2(FEATURES)
        if kind == "IVFFlat":
            index = faiss.IndexIVFFlat(index, FEATURES, int(ROWS**0.5))
            index.nprobe = 5
        index.train(rows)
        index.add(rows)
        return lambda queries: majority(labels[index.search(queries, K)[1]]), lambda queries: index.search(queries, K)[
            1
        ]

    return build


def scikit_learn(rows: Array, labels: Array) -> Contender:
    """Return how its exhaustive search is used."""
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415 - as above

    peer = KNeighborsClassifier(K, algorithm="brute").fit(rows, labels)
    return peer.predict, lambda queries: peer.kneighbors(queries)[1]


CONTENDERS: dict[str, Callable[[Array, Array], Contender]] = {
    "faiss Flat and votes": faiss_and_votes("Flat"),
    "sagecask Flat": sagecask("Flat"),
    "scikit-learn brute": scikit_learn,
    "faiss IVFFlat and votes": faiss_and_votes("IVFFlat"),
    "sagecask IVFFlat": sagecask("IVFFlat"),
}

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
