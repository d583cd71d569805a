"""Movie recommendations by a factorization machine: train, recommend to one user, look at what the factors say.

Trains on four fifths of MovieLens-100K through `sagecask run`, with users and movies as one-hot features beside age,
occupation, genres and years, and asks `sagecask transform` for the stars that one user would give to every movie not
rated yet. Ends in a plot of the learning curve, and of the movies by the two main directions of their factors.

    .venv/bin/python examples/recommendations.py --output recommendations
"""

# %% Settings
from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import movielens
import numpy as np

from sagecask.formats import Batch
from sagecask.formats.recordio import write

mpl.use("Agg")
import matplotlib.pyplot as plt

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default=Path("recommendations"), help="new folder for data, job and plot")
parser.add_argument("--epochs", type=int, default=int(movielens.HYPERPARAMETERS["epochs"]), help="passes over the data")
parser.add_argument("--user", default="196", help="whom to recommend movies to")
settings = parser.parse_args()
settings.output.mkdir(parents=True, exist_ok=True)
sagecask = str(Path(sys.executable).with_name("sagecask"))

# %% Data: a row a rating, about eight values other than zero, as recordIO-protobuf
ratings = movielens.ratings()
train, test = next(ratings.folds())
files = {"train": settings.output / "train.pbr", "test": settings.output / "test.pbr"}
for path, rows in zip(files.values(), (train, test), strict=True):
    path.write_bytes(write(Batch(ratings.features[rows], ratings.labels[rows])))

# %% Train; the log has the error of each epoch and that of the test ratings
job = settings.output / "job"
hyperparameters = movielens.HYPERPARAMETERS | {
    "feature_dim": str(len(ratings.columns)),
    "epochs": str(settings.epochs),
}
options = [part for name, value in hyperparameters.items() for part in ("-H", f"{name}={value}")]
options += ["--train", str(files["train"]), "--channel", f"test={files['test']}"]
options += ["--content-type", "application/x-recordio-protobuf", "--output", str(job)]
command = [sagecask, "run", "factorization-machines", *options]
log = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
curve = [float(value) for value in re.findall(r"epoch=\d+, train rmse <loss>=(\S+)", log)]
(error,) = re.findall(r"^#test_score .*\('rmse', (\S+)\)$", log, re.MULTILINE)
print(f"test RMSE {float(error):.3f} stars after {len(curve)} epochs")

# %% Recommend: one sparse JSON line for each movie that the user has not rated
user = ratings.columns.index(("user", settings.user))
seen = {
    ratings.columns[column][1]
    for row in ratings.features[ratings.features[:, [user]].nonzero()[0]]
    for column in row.indices
    if ratings.columns[column][0] == "movie"
}
unseen = [movie for movie in ratings.titles if movie not in seen]
requests = settings.output / "requests.jsonl"
with requests.open("w") as file:
    for row in ratings.rows(settings.user, unseen):
        features = {"keys": row.indices.tolist(), "shape": [row.shape[1]], "values": row.data.tolist()}
        print(json.dumps({"data": {"features": features}}), file=file)
answers = settings.output / "answers"
options = ["--content-type", "application/jsonlines", "--accept", "application/jsonlines", "--split-type", "Line"]
command = [sagecask, "transform", str(job / "model.tar.gz"), str(requests), *options, "--output", str(answers)]
subprocess.run(command, check=True)
lines = (answers / "requests.jsonl.out").read_text().splitlines()
stars = np.array([json.loads(line)["score"] for line in lines])
print(f"for user {settings.user}:")
for place in np.argsort(-stars)[:10]:
    print(f"  {stars[place]:.2f}  {ratings.titles[unseen[place]]} ({', '.join(ratings.genres[unseen[place]])})")

# %% What was learned: a movie's vector is the sum of its features' factors, which numpy reads from the model
factors = np.load(job / "model" / "model_algo-1")["v"]
counts = dict(zip(ratings.columns, ratings.features[train].getnnz(axis=0), strict=True))
often = [movie for movie in ratings.titles if counts["movie", movie] > 50]
vectors = np.array([sum(value * factors[column] for column, value in ratings.side["movie", movie]) for movie in often])
vectors -= vectors.mean(axis=0)
places = vectors @ np.linalg.svd(vectors, full_matrices=False)[2][:2].T

# %% Plot
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
left.plot(range(1, len(curve) + 1), curve, label="train, while learning")
left.axhline(float(error), color="grey", linewidth=0.8, linestyle=":", label=f"test at the end: {float(error):.3f}")
left.set(xlabel="epoch", ylabel="RMSE in stars", title="Learning curve")
left.legend()
left_over = np.ones(len(often), dtype=bool)
for genre in ("Horror", "Children's", "Action", "Drama", "Comedy"):
    # each movie once, under the first of its genres here
    shown = left_over & [genre in ratings.genres[movie] for movie in often]
    left_over &= ~shown
    right.scatter(*places[shown].T, s=9, alpha=0.7, label=genre)
right.set(xlabel="first direction", ylabel="second direction", title=f"Vectors of {len(often)} movies")
right.legend(markerscale=2)
figure.tight_layout()
figure.savefig(settings.output / "recommendations.png", dpi=120)
