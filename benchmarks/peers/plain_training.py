"""Read CSV files with numpy, train, log each round, save; the last line printed is the seconds of `xgboost.train`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import xgboost


def read(folder: Path) -> xgboost.DMatrix:
    cells = np.loadtxt(next(folder.glob("*.csv")), delimiter=",", dtype=np.float32)
    return xgboost.DMatrix(cells[:, 1:], cells[:, 0])


def main() -> None:
    data, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    rounds = int(settings.pop("num_round"))
    settings["eval_metric"] = settings["eval_metric"].split(",")
    train, validation = read(data / "train"), read(data / "validation")
    start = time.perf_counter()
    evals = [(train, "train"), (validation, "validation")]
    booster = xgboost.train(settings, train, rounds, evals=evals, verbose_eval=True)
    seconds = time.perf_counter() - start
    booster.save_model(sys.argv[3])
    print(seconds)


if __name__ == "__main__":
    main()
