"""PCA: 1,000,000 rows of 200 features, 20 components, beside scikit-learn.

The limit is one whole product X'X in float32. Each contender is a fresh process, in turn; where other processes want
the cores too, CPU time tells more than the clock does. `error` is the largest angle, in radians, between the components
and those of float64; `kept` is the share of the best variance. Peak memory holds data and libraries.

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
FEATURES, COMPONENTS, BATCH = 200, 20, 5000


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of every contender, with ratios to the whole product."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(REPEATS):
        for name, runs in found.items():
            runs.append(measured(name))
    for name, runs in found.items():
        yield {
            "what": name,
            "seconds": _median(runs, "seconds"),
            "spread": f"{min(run['seconds'] for run in runs):.2f}-{max(run['seconds'] for run in runs):.2f}",
            "of the product": _ratio(runs, found["whole product"], "seconds"),
            "CPU, s": _median(runs, "cpu"),
            "CPU of the product": _ratio(runs, found["whole product"], "cpu"),
            "error": f"{runs[0]['error']:.1e}",
            "kept": f"{runs[0]['kept']:.6f}",
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
    """Time one contender and compare its components with those of float64."""
    import numpy as np  # noqa: PLC0415 - threads are set before it loads
    from scipy.linalg import subspace_angles  # noqa: PLC0415 - as above

    draw = np.random.default_rng(0)
    mixing = (draw.standard_normal((40, FEATURES)) * np.linspace(3, 0.3, 40)[:, None]).astype(np.float32)
    data = np.empty((ROWS, FEATURES), np.float32)
    exact = np.zeros((FEATURES, FEATURES))
    for start in range(0, ROWS, 50_000):
        part = data[start : start + 50_000]
        part[:] = draw.standard_normal((len(part), 40), np.float32) @ mixing
        part += draw.standard_normal(part.shape, np.float32)
        exact += part.T.astype(np.float64) @ part.astype(np.float64)
    mean = data.mean(axis=0, dtype=np.float64)
    exact -= ROWS * np.outer(mean, mean)
    fit = CONTENDERS[name](data[: ROWS // 20])
    start_time, begun = time.perf_counter(), time.process_time()
    components = fit(data)
    seconds, cpu = time.perf_counter() - start_time, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values, vectors = np.linalg.eigh(exact)
    basis = np.linalg.qr(components.astype(np.float64))[0]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "error": float(subspace_angles(basis, vectors[:, -COMPONENTS:]).max()),
        "kept": float(np.trace(basis.T @ exact @ basis) / values[-COMPONENTS:].sum()),
        "peak": peak,
    }


def whole_product(warm: Array) -> Callable[[Array], Array]:
    """Multiply all rows at once, and take the eigenvectors."""
    import numpy as np  # noqa: PLC0415 - as above

    def fit(data: Array) -> Array:
        return np.linalg.eigh(data.T @ data)[1][:, -COMPONENTS:]

    fit(warm)
    return fit


def sagecask(warm: Array, *, randomized: bool = False) -> Callable[[Array], Array]:
    """Feed mini-batches to either mode."""
    import numpy as np  # noqa: PLC0415 - as above
    from sagecask_vectors.pca.moments import Moments, components  # noqa: PLC0415 - as above

    def fit(data: Array) -> Array:
        if randomized:
            import torch  # noqa: PLC0415 - as above
            from sagecask_vectors.pca.sketch import Sketch  # noqa: PLC0415 - as above

            sketch = Sketch(FEATURES, 2 * COMPONENTS, torch.device("cpu"), centred=True)
            for start in range(0, len(data), BATCH):
                sketch.add(data[start : start + BATCH])
            return sketch.components(COMPONENTS)[1]
        moments = Moments(np.zeros(FEATURES, np.float32))
        for start in range(0, len(data), BATCH):
            moments.add(data[start : start + BATCH])
        return components(moments.scatter(centred=True), COMPONENTS)[1]

    fit(warm)
    return fit


def scikit_learn(warm: Array, *, solver: str) -> Callable[[Array], Array]:
    """Fit scikit-learn's PCA."""
    from sklearn.decomposition import PCA  # noqa: PLC0415 - as above

    def fit(data: Array) -> Array:
        return PCA(COMPONENTS, svd_solver=solver, random_state=0).fit(data).components_.T

    fit(warm)
    return fit


CONTENDERS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "whole product": whole_product,
    "sagecask, regular": sagecask,
    "sagecask, randomized": lambda warm: sagecask(warm, randomized=True),
    "scikit-learn, covariance_eigh": lambda warm: scikit_learn(warm, solver="covariance_eigh"),
    "scikit-learn, randomized": lambda warm: scikit_learn(warm, solver="randomized"),
}

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
