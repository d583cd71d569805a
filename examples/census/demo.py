"""Train XGBoost on Census-Income through the train entrypoint, serve it, send every test row, write a report."""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dataset
import numpy as np
import xgboost
from measures import area_under, error_rate, roc_curve
from page import Findings, html

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from measures import Floats

HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "num_round": "600",
    "early_stopping_rounds": "30",
    # the last metric is the one that early stopping watches
    "eval_metric": "logloss,auc",
    "tree_method": "hist",
    "eta": "0.1",
    "max_depth": "6",
    "min_child_weight": "5",
    "subsample": "0.8",
    "colsample_bytree": "0.5",
}
FLOOR = 0.955
ROWS_A_REQUEST = 4000
# the limit of a real-time endpoint (contract 10.5)
MAX_BODY_BYTES = 6 * 1024 * 1024
START_SECONDS = 120
SHOWN_ROUNDS = 50
SAGECASK = str(Path(sys.executable).with_name("sagecask"))
ROUND = re.compile(r"\[(\d+)\]\t(.*)")


def main() -> None:
    """Run the whole demo; ends with 1 when the area under the ROC curve is below the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["process", "docker"], default="process", help="where to train and serve")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="for data, job and report")
    options = parser.parse_args()

    say(f"data: Census-Income 1994/95, in {options.folder / 'data'}")
    options.folder.mkdir(parents=True, exist_ok=True)
    dataset.prepare(options.folder / "data")
    say(f"training: sagecask run xgboost --engine {options.engine}")
    job = options.folder / "job"
    rounds, training_seconds = train(options.folder / "data", job, options.engine)
    say("serving: sagecask endpoint, all test rows through /invocations")
    rows = (options.folder / "data" / "test.csv").read_bytes().splitlines(keepends=True)
    with endpoint(job / "model.tar.gz", options.engine) as port:
        scores, serving_seconds = invoke(port, rows)

    labels = np.loadtxt(options.folder / "data" / "test-labels.txt")
    findings = judge(labels, scores, rounds, job, (training_seconds, serving_seconds), options.engine)
    report = options.folder / "report.html"
    report.write_text(html(findings), encoding="utf-8")
    for name, value in findings.figures.items():
        print(f"  {name:<24}{value}")
    say(f"report: {report}")
    if findings.auc < FLOOR:
        raise SystemExit(f"AUC must be at least {FLOOR}; got {findings.auc:.4f}")


def train(data: Path, output: Path, engine: str) -> tuple[dict[str, list[float]], float]:
    """Run the training job; return each metric's values by round, and the seconds of the whole job."""
    shutil.rmtree(output, ignore_errors=True)
    command = [SAGECASK, "run", "xgboost", "--engine", engine, "--content-type", "text/csv", "--output", str(output)]
    command += ["--train", str(data / "train"), "--validation", str(data / "validation")]
    for name, value in HYPERPARAMETERS.items():
        command += ["--hyperparameter", f"{name}={value}"]
    values: dict[str, list[float]] = defaultdict(list)
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = ROUND.match(line)
            if found is None or int(found[1]) % SHOWN_ROUNDS == 0:
                print(f"  {line.rstrip()}", flush=True)
            for pair in found[2].split("\t") if found else []:
                name, _, value = pair.rpartition(":")
                values[name].append(float(value))
    if process.returncode:
        raise SystemExit(process.returncode)
    return values, time.perf_counter() - start


@contextmanager
def endpoint(model: Path, engine: str) -> Iterator[int]:
    """Serve a model archive; yields the port once /ping answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [SAGECASK, "endpoint", str(model), "--algorithm", "xgboost", "--engine", engine, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers_ping(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    assert process.stderr is not None
                    process.terminate()
                    raise SystemExit(f"the endpoint did not start: {process.stderr.read()}")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def answers_ping(port: int) -> bool:
    """Return whether GET /ping answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def invoke(port: int, rows: Sequence[bytes]) -> tuple[Floats, float]:
    """Send all rows, some thousand a request, one connection a core; return a score for each, and the seconds."""
    bodies = [b"".join(rows[start : start + ROWS_A_REQUEST]) for start in range(0, len(rows), ROWS_A_REQUEST)]
    assert max(map(len, bodies)) <= MAX_BODY_BYTES
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(lambda body: predictions(port, body), bodies))
    return np.concatenate(answers), time.perf_counter() - start


def predictions(port: int, body: bytes) -> Floats:
    """Return the answer to one request, a number a row."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv", "Accept": "text/csv"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise SystemExit(f"/invocations answered {response.status}: {answer.decode()}")
    return np.array(answer.split(), dtype=np.float64)


def judge(
    labels: Floats,
    scores: Floats,
    rounds: Mapping[str, Sequence[float]],
    job: Path,
    seconds: tuple[float, float],
    engine: str,
) -> Findings:
    """Return what the report shows; `seconds` are those of training and of serving."""
    booster = xgboost.Booster()
    # as bytes: a file name without an ending makes the library guess the format, with a warning
    booster.load_model(bytearray((job / "model" / "xgboost-model").read_bytes()))
    false_rate, true_rate = roc_curve(labels, scores)
    auc = area_under(false_rate, true_rate)
    where = "in the image sagecask/xgboost:cpu" if engine == "docker" else "as processes of this machine"
    return Findings(
        lead=(
            "XGBoost, trained on 90% of the official training split (the rest steers early stopping) and served over "
            f"HTTP, both {where}. All {len(labels):,} rows of the official test split went through /invocations."
        ),
        figures={
            "AUC": f"{auc:.4f}",
            "error rate": f"{error_rate(labels, scores):.2%}",
            "training job": f"{seconds[0]:.1f} s",
            "rows a second, served": f"{len(labels) / seconds[1]:,.0f}",
            "trees": f"{booster.num_boosted_rounds()}",
        },
        roc=(false_rate.tolist(), true_rate.tolist()),
        auc=auc,
        rounds=rounds,
        kept_rounds=booster.num_boosted_rounds(),
        importance=importance(booster),
        hyperparameters=HYPERPARAMETERS,
    )


def importance(booster: xgboost.Booster) -> dict[str, float]:
    """Return each used feature's share of the total gain; the model names features f0, f1 and so on, or not at all."""
    gains = {name: float(np.sum(gain)) for name, gain in booster.get_score(importance_type="total_gain").items()}
    total = sum(gains.values())
    return {dataset.FEATURES[int(name.removeprefix("f"))]: gain / total for name, gain in gains.items()}


def say(text: str) -> None:
    """Print a heading at once, so that it stands before what subprocesses print."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
