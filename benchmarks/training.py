"""Training XGBoost on Census-Income: a whole training job beside a plain script.

Both are fresh processes that read the same CSV files, train 100 rounds with the same settings, log each round and save
the model. The plain script reads with numpy; its own `xgboost.train` call is shown as well.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PLAIN = Path(__file__).resolve().parent / "peers" / "plain_training.py"
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
HYPERPARAMETERS = {
    "objective": "binary:logistic",
    "num_round": "100",
    "eval_metric": "logloss,auc",
    "tree_method": "hist",
    "eta": "0.1",
    "max_depth": "6",
    "nthread": str(len(os.sched_getaffinity(0))),
}


def rows() -> Iterator[dict[str, Any]]:
    """Yield the medians of both, measured in turn, and their ratio."""
    data = census()
    jobs, scripts, calls = [], [], []
    for _ in range(REPEATS):
        seconds, call = plain(data)
        scripts.append(seconds)
        calls.append(call)
        jobs.append(job(data))
    base = statistics.median(scripts)
    for name, measured in (
        ("plain script", scripts),
        ("its xgboost.train alone", calls),
        ("sagecask training job", jobs),
    ):
        yield {
            "what": name,
            "seconds": statistics.median(measured),
            "spread": f"{min(measured):.1f}-{max(measured):.1f}",
            "of the plain script": statistics.median(measured) / base,
        }


def census() -> Path:
    """Return the demo's data, made where they are not there."""
    sys.path.insert(0, str(ROOT / "examples" / "census"))
    import dataset  # noqa: PLC0415 - the demo's module

    folder = ROOT / "demo" / "data"
    folder.parent.mkdir(exist_ok=True)
    dataset.prepare(folder)
    return folder


def plain(data: Path) -> tuple[float, float]:
    """Return the seconds of the plain script and of its training call."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(PLAIN), str(data), json.dumps(HYPERPARAMETERS), f"{name}/model.ubj"]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return time.perf_counter() - start, float(done.stdout.splitlines()[-1])


def job(data: Path) -> float:
    """Return the seconds of a training job, from the start of the `train` executable to its end."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = root / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
        channels = {each: {"ContentType": "text/csv", "TrainingInputMode": "File"} for each in ("train", "validation")}
        (config / "inputdataconfig.json").write_text(json.dumps(channels))
        for channel in channels:
            shutil.copytree(data / channel, root / "input" / "data" / channel)
        command = [str(Path(sys.executable).with_name("train")), "--root", name, "--algorithm", "xgboost"]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"training: the job must end well; got {(root / 'output' / 'failure').read_text()}")
        return seconds
