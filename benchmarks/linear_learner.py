"""Linear Learner, 32 models at once: an epoch beside one of SGDClassifier, and AUC beside the exact solution.

The solver takes the rows from memory in mini-batches as SGDClassifier does, on one thread as well; the whole job reads
them from a file besides, starts, imports and chooses among the models. Rows are drawn from a logistic model, float32.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters
from sagecask_vectors.linear_learner.losses import Logistic
from sagecask_vectors.linear_learner.rows import Scaler
from sagecask_vectors.linear_learner.scaling import scaling_of
from sagecask_vectors.linear_learner.settings import SEED, neighbourhood
from sagecask_vectors.linear_learner.solver import Problem, Solver, starting_weights
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import roc_auc_score

from sagecask.cluster import Cluster
from sagecask.formats import Batch
from sagecask.formats.recordio import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ROWS, WIDTH, MODELS, SIZE = int(os.environ.get("BENCH_ROWS", "1000000")), 100, 32, 1000
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
TEST = 100_000


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of epochs measured in turn, and what they come to."""
    # as a job does with so few weights
    torch.set_num_threads(1)
    features, labels = data(ROWS + TEST)
    train, test = (features[:ROWS], labels[:ROWS]), (features[ROWS:], labels[ROWS:])
    ours, theirs = [], []
    for _ in range(REPEATS):
        start = clocks()
        peer = SGDClassifier(loss="log_loss", max_iter=1, tol=None, random_state=0).fit(*train)
        theirs.append(clocks() - start)
        start = clocks()
        solver = solve(*train)
        ours.append(clocks() - start)
    start = time.perf_counter()
    exact = LogisticRegression(tol=1e-3).fit(*train)
    exactly = time.perf_counter() - start
    scores = solver.outputs(solver.rows(Batch(test[0])), solver.judged())[:, :, 0].numpy()
    base, own = np.median(theirs, axis=0), np.median(ours, axis=0)
    job_seconds, job_auc, memory = job(train, test)
    areas = [float(roc_auc_score(test[1], column)) for column in scores.T]
    for what, seconds, auc in (
        ("SGDClassifier, one model", base[0], roc_auc_score(test[1], peer.decision_function(test[0]))),
        ("sagecask solver, 32 models, the best", own[0], max(areas)),
        ("the same, the first model", own[0], areas[0]),
        ("LogisticRegression (lbfgs)", exactly, roc_auc_score(test[1], exact.decision_function(test[0]))),
        ("sagecask training job, all of it", job_seconds, job_auc),
    ):
        yield {"what": what, "seconds": seconds, "of SGDClassifier": seconds / base[0], "AUC": f"{auc:.4f}"}
    # the processor's time differs less where other processes have their share of it
    yield {"CPU seconds of SGDClassifier": base[1], "of the solver": own[1], "ratio": own[1] / base[1]}
    yield {"peak memory of the job, MiB": memory, "data, MiB": round(train[0].nbytes / 2**20)}


def clocks() -> NDArray[np.float64]:
    """Return seconds of the clock and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def data(count: int) -> tuple[Floats, Floats]:
    """Return rows of a logistic model."""
    draw = np.random.default_rng(0)
    features = draw.standard_normal((count, WIDTH), dtype=np.float32)
    raw = features @ draw.standard_normal(WIDTH).astype(np.float32)
    return features, (draw.random(count) < 1 / (1 + np.exp(-raw))).astype(np.float32)


def solve(features: Floats, labels: Floats) -> Solver:
    """Train for an epoch, scaling included."""
    given = LinearLearnerHyperparameters.parse({"predictor_type": "binary_classifier"}, owner="linear-learner")
    cluster = Cluster(("algo-1",), "algo-1")
    sample = Batch(features[:10_000], labels[:10_000])
    scaling = scaling_of(sample, cluster, features=(True, True), label=(False, False))
    scaler = Scaler(scaling, torch.device("cpu"))
    problem = Problem(Logistic(), scaler, 1, (0.9, 0.999, 0.9), (10.0, 0.0), use_bias=True)
    draw = np.random.default_rng(SEED)
    weights = starting_weights(WIDTH, MODELS, draw, uniform=0.07, normal=0.0, bias=0.0)
    solver = Solver(problem, neighbourhood(given, MODELS), weights, cluster)
    for start in range(0, len(features), SIZE):
        batch = Batch(features[start : start + SIZE], labels[start : start + SIZE])
        solver.step(solver.rows(batch), solver.labels(batch.labels))
    return solver


def job(train: tuple[Floats, Floats], test: tuple[Floats, Floats]) -> tuple[float, float, float]:
    """Return the seconds of a whole training job of one epoch, the AUC of its model, and its peak memory in MiB."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config, folder = root / "input" / "config", root / "input" / "data" / "train"
        config.mkdir(parents=True)
        folder.mkdir(parents=True)
        given = {"predictor_type": "binary_classifier", "epochs": "1"}
        (config / "hyperparameters.json").write_text(json.dumps(given))
        channel = {"ContentType": "application/x-recordio-protobuf", "TrainingInputMode": "File"}
        (config / "inputdataconfig.json").write_text(json.dumps({"train": channel}))
        with (folder / "part-1.pbr").open("wb") as file:
            for start in range(0, ROWS, 50_000):
                file.write(write(Batch(train[0][start : start + 50_000], train[1][start : start + 50_000])))
        command = [str(Path(sys.executable).with_name("train")), "--root", name, "--algorithm", "linear-learner"]
        start_at = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        memory = watched(process)
        seconds = time.perf_counter() - start_at
        if process.returncode:
            raise SystemExit(f"linear_learner: the job must end well; got {(root / 'output' / 'failure').read_text()}")
        model = np.load(root / "model" / "model_algo-1")
        area = roc_auc_score(test[1], (test[0] @ model["weights"])[:, 0])
    return seconds, float(area), memory


def watched(process: subprocess.Popen[bytes]) -> float:
    """Wait for a job and return the peak memory of its largest process in MiB."""
    peak = 0
    while process.poll() is None:
        for status in Path("/proc").glob("[0-9]*/status"):
            # a process may end between the two looks at it
            with contextlib.suppress(OSError):
                text = status.read_text()
                if f"PPid:\t{process.pid}\n" in text and "VmHWM:" in text:
                    peak = max(peak, int(text.partition("VmHWM:")[2].split()[0]))
        time.sleep(0.1)
    return peak / 1024
