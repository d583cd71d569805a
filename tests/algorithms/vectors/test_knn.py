"""k-NN from a job to answers, beside scikit-learn's exhaustive search."""

from __future__ import annotations

import io
import json
import logging
import math
from dataclasses import replace

import faiss
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from sagecask import artifact, registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import TrainingJob
from sagecask.errors import DataError, HyperparameterError, ModelDataError, UserError
from sagecask.formats import Batch, MediaType
from sagecask.formats.recordio import write
from sagecask.report import Report
from sagecask.train.run import prepare

PLAIN = MediaType.parse("application/json")
VERBOSE = MediaType.parse("application/json;verbose=true")
KNN = registry.load("knn")


def job(directory, train, test=None, stop=lambda: False, **hyperparameters):
    """Return the job that `fit` gets; channels are (features, labels)."""
    given = {"feature_dim": train[0].shape[1], "k": 3, "predictor_type": "classifier", "sample_size": 1000}
    directory.hyperparameters(given | hyperparameters)
    for name, rows in (("train", train), ("test", test)):
        if rows is not None:
            directory.channel(name, {"part-1": write(Batch(*rows))}, "application/x-recordio-protobuf")
    return prepare(KNN, TrainingJob.read(directory.paths, {}), stop)


def loaded(model, directory):
    artifact.save(model, directory.paths.model, KNN.declaration)
    return KNN.load(directory.paths.model, InferenceSettings())


@pytest.fixture(scope="module")
def train():
    """150 rows of 6 features with labels 1, 2 and 7, of which none is 0 and some are missing between."""
    rng = np.random.default_rng(3)
    labels = rng.choice([1, 2, 7], 150)
    return (rng.standard_normal((150, 6)) + labels[:, None]).astype(np.float32), labels.astype(np.float32)


@pytest.fixture(scope="module")
def queries():
    """(40, 6): more rows than faiss compares one by one."""
    rng = np.random.default_rng(4)
    return (rng.standard_normal((40, 6)) + rng.choice([1, 2, 7], 40)[:, None]).astype(np.float32)


# distances ascend, so that the largest inner product comes first
PEERS = {"L2": "sqeuclidean", "COSINE": "cosine", "INNER_PRODUCT": lambda a, b: -np.dot(a, b)}


@pytest.mark.parametrize("metric", PEERS)
@pytest.mark.parametrize("index_type", ["faiss.Flat", "faiss.IVFFlat"])
def test_neighbours_are_those_of_scikit_learn(job_directory, train, queries, metric, index_type):
    # all lists are visited
    given = {"index_metric": metric, "index_type": index_type, "_faiss_index_nprobe": 12, "k": 5}
    model = loaded(KNN.fit(job(job_directory, train, **given)), job_directory)
    columns = model.predict(Batch(queries), VERBOSE).columns
    peer = NearestNeighbors(n_neighbors=5, algorithm="brute", metric=PEERS[metric]).fit(train[0])
    distances, near = peer.kneighbors(queries)
    np.testing.assert_array_equal(columns["labels"], train[1][near])
    np.testing.assert_allclose(columns["distances"], distances, rtol=2e-5, atol=2e-6)
    assert columns["distances"].dtype == columns["predicted_label"].dtype == np.float32


def test_classifier_and_regressor_are_those_of_scikit_learn(job_directory, train, queries):
    classifier = KNN.fit(job(job_directory, train, k=7))
    peer = KNeighborsClassifier(7, algorithm="brute").fit(*train)
    np.testing.assert_array_equal(
        classifier.predict(Batch(queries), PLAIN).columns["predicted_label"], peer.predict(queries)
    )
    targets = train[0][:, 0] * 0.1
    regressor = KNN.fit(job(job_directory, (train[0], targets), k=7, predictor_type="regressor"))
    peer = KNeighborsRegressor(7, algorithm="brute").fit(train[0], targets)
    np.testing.assert_allclose(
        regressor.predict(Batch(queries), PLAIN).columns["predicted_label"], peer.predict(queries), rtol=1e-6
    )


def test_rows_far_from_the_origin_have_the_neighbours_that_differences_tell(job_directory, train, queries):
    # |q|² + |v|² - 2 q·v has no digit left of these distances in float32
    far = np.array([1e6, 2009, 0, -122, 1e4, 5e5], np.float32)
    shifted = (np.round(train[0] * 16) / 16 + far).astype(np.float32)
    asked = (np.round(queries * 16) / 16 + far).astype(np.float32)
    columns = KNN.fit(job(job_directory, (shifted, train[1]), k=4)).predict(Batch(asked), VERBOSE).columns
    exact = ((asked[:, None].astype(float) - shifted) ** 2).sum(axis=2)
    np.testing.assert_array_equal(columns["distances"], np.sort(exact, axis=1)[:, :4].astype(np.float32))


def test_lowest_label_wins_a_tie_and_equal_distances_go_by_position(job_directory):
    features = np.array([[0], [0], [2], [2], [9]], np.float32)
    labels = np.array([5, 3, 3, 5, 1], np.float32)
    model = KNN.fit(job(job_directory, (features, labels), k=4))
    for count in (1, 30):
        columns = model.predict(Batch(np.full((count, 1), 1, np.float32)), VERBOSE).columns
        assert columns["predicted_label"].tolist() == [3.0] * count
        assert columns["labels"].tolist() == [[5.0, 3.0, 3.0, 5.0]] * count
        assert columns["distances"].tolist() == [[1.0] * 4] * count


def test_verbose_is_asked_for_by_accept_alone(job_directory, train, queries):
    model = KNN.fit(job(job_directory, train))
    for text, columns in [
        ("application/jsonlines;verbose=true", ["predicted_label", "distances", "labels"]),
        ("application/x-recordio-protobuf; Verbose=True", ["predicted_label", "distances", "labels"]),
        ("application/json;verbose=false", ["predicted_label"]),
        ("application/json", ["predicted_label"]),
    ]:
        assert list(model.predict(Batch(queries), MediaType.parse(text)).columns) == columns


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_reduced_rows_keep_their_neighbours_for_the_most_part(job_directory, kind):
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 300).astype(np.float32)
    features = (rng.standard_normal((300, 500)) + labels[:, None]).astype(np.float32)
    given = {"dimension_reduction_type": kind, "dimension_reduction_target": 64}
    model = loaded(KNN.fit(job(job_directory, (features[:250], labels[:250]), **given)), job_directory)
    answers = model.predict(Batch(features[250:]), PLAIN).columns["predicted_label"]
    # every answer is right without reduction
    assert (answers == labels[250:]).mean() > 0.95
    described = json.loads((job_directory.paths.model / "model_algo-1.json").read_text())
    assert described["dimension_reduction"] == {
        "type": kind, "seed": 0, "target_dim": 64, "input_dim": 500, "generator": "PCG64",
    }  # fmt: skip
    assert faiss.read_index(str(job_directory.paths.model / "model_algo-1")).d == 64


def test_quantised_index_fills_up_rows_that_its_parts_do_not_divide(job_directory):
    rng = np.random.default_rng(2)
    features = rng.standard_normal((400, 54)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.float32)
    given = {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": 8, "faiss_index_ivf_nlists": 5}
    model = loaded(KNN.fit(job(job_directory, (features, labels), **given)), job_directory)
    index = faiss.read_index(str(job_directory.paths.model / "model_algo-1"))
    assert (index.d, index.pq.M, index.pq.nbits, index.nlist, index.nprobe) == (56, 8, 8, 5, 5)
    answers = model.predict(Batch(features[:50]), VERBOSE).columns
    # a row is most often the nearest to itself, however coarse the codes are
    assert (answers["labels"][:, 0] == labels[:50]).mean() > 0.9
    # a reduced dimension grows instead
    given |= {"dimension_reduction_type": "sign", "dimension_reduction_target": 30}
    KNN.load(_saved(KNN.fit(job(job_directory, (features, labels), **given)), job_directory), InferenceSettings())
    described = json.loads((job_directory.paths.model / "model_algo-1.json").read_text())
    assert (described["dimension_reduction"]["target_dim"], described["dimension_reduction"]["input_dim"]) == (32, 54)


def _saved(model, directory):
    artifact.save(model, directory.paths.model, KNN.declaration)
    return directory.paths.model


@pytest.mark.parametrize(("features", "parts"), [(1, 1), (5, 2), (20, 8), (54, 24), (784, 96)])
def test_quantiser_has_by_default_the_most_parts_of_two_features(job_directory, features, parts):
    rows = np.random.default_rng(1).standard_normal((60, features)).astype(np.float32)
    model = KNN.fit(job(job_directory, (rows, np.zeros(60, np.float32)), index_type="faiss.IVFPQ"))
    assert parts == faiss.read_index(str(_saved(model, job_directory) / "model_algo-1")).pq.M


def test_lists_are_by_default_as_many_as_the_square_root_of_the_sample(job_directory, train):
    for sample_size, lists in ((1000, 12), (50, 7)):
        model = KNN.fit(job(job_directory, train, index_type="faiss.IVFFlat", sample_size=sample_size))
        assert faiss.read_index(str(_saved(model, job_directory) / "model_algo-1")).nlist == lists


def test_lists_that_hold_fewer_than_k_rows_are_not_the_last_to_be_visited(job_directory, train, queries):
    given = {"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 40, "_faiss_index_nprobe": 1, "k": 100}
    columns = KNN.fit(job(job_directory, train, **given)).predict(Batch(queries), VERBOSE).columns
    assert columns["labels"].shape == (40, 100)
    assert np.isfinite(columns["distances"]).all()
    assert (np.diff(columns["distances"], axis=1) >= 0).all()


def test_scores_of_the_test_channel_are_written_once_for_all_its_rows(job_directory, train, queries):
    truth = np.resize([1, 2, 7, 7], 40).astype(np.float32)
    prepared = job(job_directory, train, (queries, truth), mini_batch_size=7)
    output = io.StringIO()
    model = KNN.fit(replace(prepared, report=Report("algo-1", output)))
    answers = model.predict(Batch(queries), PLAIN).columns["predicted_label"]
    accuracy, f1 = accuracy_score(truth, answers), f1_score(truth, answers, average="macro")
    assert _scores(output) == [
        f"#test_score (algo-1) : ('accuracy', {accuracy!r})",
        f"#test_score (algo-1) : ('macro_f_1.000', {f1!r})",
        f"#quality_metric: host=algo-1, test accuracy <score>={accuracy!r}",
        f"#quality_metric: host=algo-1, test macro_f_1.000 <score>={f1!r}",
    ]


def test_score_of_a_regressor_is_the_mean_squared_error(job_directory, train, queries):
    truth = queries[:, 0]
    output = io.StringIO()
    prepared = job(job_directory, train, (queries, truth), predictor_type="regressor", mini_batch_size=7)
    model = KNN.fit(replace(prepared, report=Report("algo-1", output)))
    answers = model.predict(Batch(queries), PLAIN).columns["predicted_label"]
    lines = _scores(output)
    values = [float(line.rpartition("=")[2] if "=" in line else line.rpartition(" ")[2].rstrip(")")) for line in lines]
    np.testing.assert_allclose(values, [np.mean((answers - truth) ** 2)] * 2, rtol=1e-6)
    assert [line.rpartition("=")[0] or line.rpartition(" ")[0] for line in lines] == [
        "#test_score (algo-1) : ('mse',",
        "#quality_metric: host=algo-1, test mse <loss>",
    ]


def _scores(output):
    return [line for line in output.getvalue().splitlines() if line.startswith(("#test_score", "#quality_metric"))]


def test_sample_is_smaller_than_the_channel_and_its_size_is_logged(job_directory, train, caplog):
    with caplog.at_level(logging.INFO):
        model = KNN.fit(job(job_directory, train, sample_size=100))
    assert len((_saved(model, job_directory) / "model_algo-1.labels").read_bytes()) == 400
    (line,) = [record.message for record in caplog.records if "per-worker" in record.message]
    assert line.startswith("Using per-worker sample size = 100 (Available virtual memory = ")
    assert " bytes, number of workers = 1). " in line


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv;label_size=1"])
def test_csv_has_one_label_column_whether_it_is_said_or_not(job_directory, train, queries, content_type):
    expected = KNN.fit(job(job_directory, train)).predict(Batch(queries), PLAIN).columns["predicted_label"]
    rows = np.column_stack([train[1], train[0]]).tolist()
    lines = [",".join(map(repr, row)) for row in rows]
    job_directory.without_channel("train").channel("train", {"rows.csv": "\n".join(lines).encode()}, content_type)
    model = KNN.fit(prepare(KNN, TrainingJob.read(job_directory.paths, {}), lambda: False))
    np.testing.assert_array_equal(model.predict(Batch(queries), PLAIN).columns["predicted_label"], expected)


def test_sparse_rows_train_as_dense_ones_do(job_directory, train, queries):
    features = np.where(train[0] > 2, train[0], 0)
    for kind in (None, "fjlt", "sign"):
        given = {"dimension_reduction_type": kind or "None", "dimension_reduction_target": 4 if kind else "None"}
        dense = KNN.fit(job(job_directory, (features, train[1]), **given))
        sparse = KNN.fit(job(job_directory, (csr_matrix(features), train[1]), **given))
        first, second = (each.predict(Batch(queries), VERBOSE).columns for each in (dense, sparse))
        np.testing.assert_allclose(first["distances"], second["distances"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(first["labels"], second["labels"])


def test_stopped_job_keeps_what_it_has_sampled(job_directory, train):
    asked = iter([False, True])
    one, other = (train[0][:60], train[1][:60]), (train[0][60:], train[1][60:])
    prepared = job(job_directory, one, one, stop=lambda: next(asked, True))
    job_directory.channel("train", {"part-2": write(Batch(*other))}, "application/x-recordio-protobuf")
    model = KNN.fit(prepared)
    assert len((_saved(model, job_directory) / "model_algo-1.labels").read_bytes()) == 4 * 60


ALLOWED = "1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96"


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        (
            {"dimension_reduction_type": "sign"},
            "dimension_reduction_target",
            "is required when dimension_reduction_type is set; it is missing",
        ),
        (
            {"dimension_reduction_type": "sign", "dimension_reduction_target": 6},
            "dimension_reduction_target",
            'must be below feature_dim, which is 6; got "6"',
        ),
        (
            {"index_type": "faiss.IVFPQ", "index_metric": "COSINE"},
            "index_metric",
            'must be "L2" when index_type is faiss.IVFPQ; got "COSINE"',
        ),
        ({"faiss_index_pq_m": 5}, "faiss_index_pq_m", f'must be one of {ALLOWED}; got "5"'),
        ({"k": 11, "sample_size": 10}, "k", 'must be at most sample_size, which is 10; got "11"'),
        (
            {"predictor_type": "ranker"},
            "predictor_type",
            'must be one of "classifier", "regressor"; got "ranker"',
        ),
    ],
)
def test_hyperparameters_that_do_not_go_together_are_refused(job_directory, train, given, name, message):
    with pytest.raises(HyperparameterError) as caught:
        job(job_directory, train, **given)
    assert str(caught.value) == f'knn: hyperparameter "{name}" {message}'


def test_names_with_an_underscore_and_a_target_without_type_are_accepted(job_directory, train):
    given = {"_kvstore": "dist", "_log_level": "info", "_num_gpus": "auto", "dimension_reduction_target": "3"}
    assert KNN.fit(job(job_directory, train, **given)).width == 6


@pytest.mark.parametrize(
    ("rows", "given", "message"),
    [
        (2, {}, 'channel "train": at least as many rows as k are needed, 3; got 2'),
        (
            9,
            {"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 10},
            'knn: hyperparameter "faiss_index_ivf_nlists" must be at most the number of sampled rows, 9; got "10"',
        ),
        (9, {"feature_dim": 5}, 'channel "train", row 1: 5 features are needed (feature_dim); got 6'),
    ],
)
def test_channel_that_does_not_fit_is_refused(job_directory, train, rows, given, message):
    with pytest.raises(UserError) as caught:
        KNN.fit(job(job_directory, (train[0][:rows], train[1][:rows]), **given))
    assert str(caught.value) == message


def test_several_labels_a_row_are_refused(job_directory, train):
    with pytest.raises(DataError) as caught:
        KNN.fit(job(job_directory, (train[0], np.stack([train[1]] * 2, axis=1))))
    assert str(caught.value) == "knn: one label a row is needed (label_size=1); got 2"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 5)), "request body: rows of 6 features; got 5"),
        (np.full((2, 6), math.nan), "request body, row 1, feature 1: a finite number is needed; got a missing value"),
        (np.full((1, 6), 1e25), "knn: features whose squares add up to a float32 are needed; got larger numbers"),
    ],
)
@pytest.mark.parametrize("index_type", ["faiss.Flat", "faiss.IVFFlat"])
def test_request_that_does_not_fit_is_refused(job_directory, train, rows, message, index_type):
    model = KNN.fit(job(job_directory, train, index_type=index_type))
    with pytest.raises(DataError) as caught:
        model.predict(Batch(rows.astype(np.float32)), PLAIN)
    assert str(caught.value) == message


def test_description_may_be_changed_without_new_training(job_directory, train, queries):
    folder = _saved(KNN.fit(job(job_directory, train, k=9)), job_directory)
    path = folder / "model_algo-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"k": 1, "predictor_type": "regressor"}))
    columns = KNN.load(folder, InferenceSettings()).predict(Batch(queries), VERBOSE).columns
    assert columns["labels"].shape == (40, 1)
    np.testing.assert_array_equal(columns["predicted_label"], columns["labels"][:, 0])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"k": 151}))
    with pytest.raises(ModelDataError) as caught:
        KNN.load(folder, InferenceSettings())
    assert str(caught.value) == f'{path}: "k" must be at most the 150 rows of the index; got 151'
