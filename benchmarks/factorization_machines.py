"""Factorization machines: one epoch over 180,000 rows of 20 categories, and MovieLens-100K in five folds.

Labels of the first are drawn from the probabilities of a random factorization machine. Each measurement is a process of
its own, the contenders in turn; the training job reads its rows from a recordIO-protobuf file, the others have them in
memory. `BENCH_ROWS` shrinks the first, `BENCH_FOLDS` (down to 1) and `BENCH_EPOCHS` the second.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
ROWS = int(os.environ.get("BENCH_ROWS", "180000"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
FOLDS = int(os.environ.get("BENCH_FOLDS", "5"))
FIELDS, CATEGORIES, RANK = 20, 500, 16
# the best of random searches
PEER_RATES = {"modern-fm, its default rate": 0.05, "modern-fm, its best rate": 0.02}
PEER_MOVIELENS = {"learning_rate": 0.05, "l2_linear": 0.0014, "l2_factors": 0.007, "max_iter": 10}
SETTINGS = {
    "feature_dim": FIELDS * CATEGORIES, "num_factors": RANK, "predictor_type": "binary_classifier",
    "mini_batch_size": 2000, "bias_lr": 0.01, "bias_wd": 0, "linear_lr": 0.023, "linear_wd": 0, "factors_lr": 0.001,
    "factors_wd": 0.001, "factors_init_sigma": 0.01, "linear_init_sigma": 0,
}  # fmt: skip


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians over the contenders' processes, then errors on MovieLens."""
    yield from one_epoch()
    yield from movielens()


def one_epoch() -> Iterator[dict[str, Any]]:
    names = [*PEER_RATES, "sagecask, rows in memory", "sagecask, whole job from a file"]
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for turn in range(REPEATS):
            for index in range(len(names)):
                name = names[(index + turn) % len(names)]
                command = [sys.executable, __file__, folder, name]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                measured[name].append(json.loads(done.stdout.splitlines()[-1]))
    base = statistics.median(each["seconds"] for each in measured[names[1]])
    for name, found in measured.items():
        seconds = [each["seconds"] for each in found]
        yield {
            "one epoch": name,
            "seconds": statistics.median(seconds),
            "spread": f"{min(seconds):.2f}-{max(seconds):.2f}",
            "of modern-fm": statistics.median(seconds) / base,
            "AUC": f"{found[0]['auc']:.4f}",
            "MiB taken": statistics.median(each["memory"] for each in found),
        }


def prepare(folder: Path) -> None:
    """Write train and test rows: as arrays, and as the train channel of a job."""
    from sagecask.formats import Batch  # noqa: PLC0415
    from sagecask.formats.recordio import write  # noqa: PLC0415

    features, labels = categories(ROWS + ROWS // 4)
    arrays = {"columns": features.indices, "labels": labels}
    np.savez(folder / "rows.npz", **arrays)
    data = folder / "input" / "data" / "train"
    data.mkdir(parents=True)
    (data / "rows.pbr").write_bytes(write(Batch(features[:ROWS], labels[:ROWS])))
    config = folder / "input" / "config"
    config.mkdir()
    (config / "hyperparameters.json").write_text(json.dumps({name: str(value) for name, value in SETTINGS.items()}))
    channel = {"ContentType": "application/x-recordio-protobuf", "TrainingInputMode": "File"}
    (config / "inputdataconfig.json").write_text(json.dumps({"train": channel}))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))


def categories(n_rows: int) -> tuple[csr_matrix, np.ndarray]:
    """Return one-hot rows of FIELDS categories, and labels that a random factorization machine's chances draw."""
    rng = np.random.default_rng(0)
    columns = (rng.integers(0, CATEGORIES, (n_rows, FIELDS)) + np.arange(FIELDS) * CATEGORIES).astype(np.int32)
    linear = rng.normal(0, 0.9, FIELDS * CATEGORIES)
    factors = rng.normal(0, 0.12, (FIELDS * CATEGORIES, 4))
    sums = factors[columns].sum(axis=1)
    scores = linear[columns].sum(axis=1) + (np.square(sums).sum(1) - np.square(factors[columns]).sum((1, 2))) / 2
    labels = (rng.random(n_rows) < 1 / (1 + np.exp(-scores))).astype(np.float32)
    return one_hot(columns), labels


def one_hot(columns: np.ndarray) -> csr_matrix:
    ends = np.arange(0, columns.size + 1, FIELDS)
    values = np.ones(columns.size, np.float32)
    return csr_matrix((values, columns.ravel(), ends), shape=(len(ends) - 1, FIELDS * CATEGORIES))


def measure(folder: Path, name: str) -> dict[str, float]:
    """Train once; return seconds, AUC of the test rows, and MiB taken beyond those before."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    with np.load(folder / "rows.npz") as arrays:
        features, labels = one_hot(arrays["columns"]), arrays["labels"]
    train, test = (features[:ROWS], labels[:ROWS]), (features[ROWS:], labels[ROWS:])
    contender = modern(PEER_RATES[name]) if name in PEER_RATES else in_memory if "memory" in name else job(folder)
    contender(train[0][:2000], train[1][:2000])
    # the peak so far is that of making the data
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    start = time.perf_counter()
    predict = contender(*train)
    seconds = time.perf_counter() - start
    memory = resident("VmHWM") - before
    return {"seconds": seconds, "auc": float(roc_auc_score(test[1], predict(test[0]))), "memory": memory}


def resident(field: str) -> float:
    """Return a field of this process's status in MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


Contender = "Callable[[csr_matrix, np.ndarray], Callable[[csr_matrix], np.ndarray]]"


def modern(rate: float) -> Contender:
    from modern_fm import FMClassifier  # noqa: PLC0415

    def fit(features: csr_matrix, labels: np.ndarray) -> Callable[[csr_matrix], np.ndarray]:
        model = FMClassifier(n_factors=RANK, max_iter=1, learning_rate=rate, n_jobs=1, random_state=0)
        model.fit(features, labels)
        return lambda rows: model.predict_proba(rows)[:, 1]

    return fit


def in_memory(features: csr_matrix, labels: np.ndarray) -> Callable[[csr_matrix], np.ndarray]:
    from sagecask_vectors.factorization_machines.engines import CompiledEngine  # noqa: PLC0415
    from sagecask_vectors.factorization_machines.hyperparameters import (  # noqa: PLC0415
        FactorizationMachinesHyperparameters,
    )
    from sagecask_vectors.factorization_machines.settings import optimizer_of, weights_of  # noqa: PLC0415

    given = FactorizationMachinesHyperparameters(**SETTINGS)
    weights = weights_of(given)
    CompiledEngine(weights, optimizer_of(given)).learn(features, labels, given.mini_batch_size)
    return weights.scores


def job(folder: Path) -> Contender:
    from sagecask import registry  # noqa: PLC0415
    from sagecask.contract import Paths, TrainingJob  # noqa: PLC0415
    from sagecask.train.run import prepare  # noqa: PLC0415

    algorithm = registry.load("factorization-machines")
    # imports are no part of what is compared
    for module in ("hyperparameters", "training", "model"):
        importlib.import_module(f"sagecask_vectors.factorization_machines.{module}")
    description = TrainingJob.read(Paths(folder), {})

    def fit(features: csr_matrix, _: np.ndarray) -> Callable[[csr_matrix], np.ndarray]:
        if features.shape[0] < ROWS:
            return np.asarray
        with contextlib.redirect_stdout(io.StringIO()):
            return algorithm.fit(prepare(algorithm, description, lambda: False)).weights.scores

    return fit


def movielens() -> Iterator[dict[str, Any]]:
    """Yield the mean error over folds, and the seconds of a fold."""
    sys.path.insert(0, str(ROOT / "examples"))
    import movielens as data  # noqa: PLC0415 - the example's module
    from modern_fm import FMRegressor  # noqa: PLC0415
    from sagecask_vectors.factorization_machines.engines import CompiledEngine  # noqa: PLC0415
    from sagecask_vectors.factorization_machines.hyperparameters import (  # noqa: PLC0415
        FactorizationMachinesHyperparameters,
    )
    from sagecask_vectors.factorization_machines.settings import optimizer_of, weights_of  # noqa: PLC0415

    ratings = data.ratings()
    epochs = os.environ.get("BENCH_EPOCHS", data.HYPERPARAMETERS["epochs"])
    texts = data.HYPERPARAMETERS | {"feature_dim": str(len(ratings.columns)), "epochs": epochs}
    given = FactorizationMachinesHyperparameters.parse(texts, owner="benchmark")

    def ours(features: csr_matrix, labels: np.ndarray) -> Callable[[csr_matrix], np.ndarray]:
        weights = weights_of(given)
        engine = CompiledEngine(weights, optimizer_of(given))
        for _ in range(given.epochs):
            engine.learn(features, labels, given.mini_batch_size)
        return weights.scores

    def peer(features: csr_matrix, labels: np.ndarray) -> Callable[[csr_matrix], np.ndarray]:
        model = FMRegressor(n_factors=16, n_jobs=1, random_state=0, **PEER_MOVIELENS)
        return model.fit(features, labels).predict

    for name, fit in (("modern-fm", peer), ("sagecask", ours)):
        errors, seconds = [], []
        for train, test in list(ratings.folds())[:FOLDS]:
            start = time.perf_counter()
            predict = fit(ratings.features[train], ratings.labels[train])
            seconds.append(time.perf_counter() - start)
            errors.append(float(np.sqrt(np.mean((predict(ratings.features[test]) - ratings.labels[test]) ** 2))))
        yield {
            "MovieLens-100K": name,
            "folds": len(errors),
            "mean RMSE": f"{statistics.mean(errors):.4f}",
            "worst": f"{max(errors):.4f}",
            "seconds a fold": statistics.median(seconds),
        }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2])))
