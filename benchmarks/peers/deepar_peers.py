"""GluonTS' DeepAR at the settings of benchmarks/deepar.py, in a process of its own."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import lightning  # noqa: E402 - after warnings are silenced
import pandas as pd  # noqa: E402 - as above
import torch  # noqa: E402 - as above
from deepar import BATCH, BATCHES, CELLS, CONTEXT, DROPOUT, HORIZON, LAYERS, PATHS, THREADS, series  # noqa: E402
from gluonts.torch.model.deepar import DeepAREstimator  # noqa: E402 - as above


class Clock(lightning.Callback):
    """Takes the time of every epoch."""

    def __init__(self) -> None:
        self.found: list[dict[str, float]] = []

    def on_train_epoch_start(self, *_: object) -> None:
        self._begun, self._cpu = time.perf_counter(), time.process_time()

    def on_train_epoch_end(self, *_: object) -> None:
        self.found.append({"seconds": time.perf_counter() - self._begun, "cpu": time.process_time() - self._cpu})


def main(name: str, folder: str) -> dict[str, float]:
    """Train two epochs; return the time of the second, or that of all sample paths once they have been drawn before."""
    torch.set_num_threads(int(THREADS))
    data = [{"start": pd.Period("2021-01-01", "h"), "target": values} for values in series()]
    clock = Clock()
    estimator = DeepAREstimator(
        "h", HORIZON, context_length=CONTEXT, num_layers=LAYERS, hidden_size=CELLS, dropout_rate=DROPOUT,
        num_parallel_samples=PATHS, batch_size=BATCH, num_batches_per_epoch=BATCHES if "epoch" in name else 2,
        trainer_kwargs={
            "max_epochs": 2, "callbacks": [clock], "logger": False, "enable_progress_bar": False,
            "enable_model_summary": False, "accelerator": "cpu", "default_root_dir": folder,
        },
    )  # fmt: skip
    predictor = estimator.train(data)
    if "epoch" in name:
        return clock.found[-1]
    list(predictor.predict(data))
    begun, cpu = time.perf_counter(), time.process_time()
    list(predictor.predict(data))
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(main(sys.argv[1], folder)))
