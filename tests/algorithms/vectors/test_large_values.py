"""Values that float32 holds, unlike their squares: refused with a sentence. And content types with parameters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sagecask_vectors.stream import refuse_large, refuse_overflow

from sagecask.errors import DataError
from sagecask.formats import Batch, MediaType

RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(60, 4)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0).astype(np.float32)
JSON = MediaType.parse("application/json;verbose=true")
LARGEST = np.float32(3e38)
TOO_LARGE = "features whose squares add up to a float32 are needed; got larger numbers"
KMEANS = {"feature_dim": 4, "k": 2}
PCA = {"feature_dim": 4, "num_components": 2, "mini_batch_size": 20}
KNN = {"feature_dim": 4, "k": 2, "sample_size": 60, "predictor_type": "regressor"}
JOBS = [
    ("kmeans", KMEANS),
    ("kmeans", KMEANS | {"init_method": "kmeans++", "mini_batch_size": 30}),
    ("pca", PCA),
    ("pca", PCA | {"algorithm_mode": "randomized"}),
    ("knn", KNN),
    ("knn", KNN | {"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": 2}),
]


@pytest.fixture(autouse=True)
def loud():
    """Warnings of numpy are errors: users get a sentence alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize(("algorithm", "given"), JOBS)
@pytest.mark.parametrize("first", [0, 55])
def test_training_refuses_rows_whose_squares_overflow(vectors_job, algorithm, given, first):
    rows = ROWS.copy()
    rows[first:] *= np.float32(1e30)
    with pytest.raises(DataError) as raised:
        vectors_job.records("train", rows, LABELS).fit(algorithm, **given)
    assert str(raised.value) == f'channel "train": {TOO_LARGE}'


def test_scoring_refuses_rows_whose_squares_overflow(vectors_job):
    vectors_job.records("train", ROWS).records("test", ROWS * np.float32(1e37))
    with pytest.raises(DataError) as raised:
        vectors_job.fit("kmeans", **KMEANS)
    assert str(raised.value) == f'channel "test": {TOO_LARGE}'


@pytest.mark.parametrize(
    ("algorithm", "given", "what"),
    [
        ("kmeans", KMEANS, "squared distance"),
        ("pca", PCA, "projection"),
        ("knn", KNN | {"index_metric": "INNER_PRODUCT"}, "distance"),
        ("linear-learner", {"predictor_type": "regressor", "mini_batch_size": 20, "num_models": 1}, "score"),
    ],
)
def test_answers_that_overflow_are_refused_with_their_row(vectors_job, algorithm, given, what):
    model = vectors_job.records("train", ROWS * 9, ROWS.sum(axis=1) * 9).fit(algorithm, **given)
    rows = np.array([[1, 2, 3, 4], [LARGEST] * 4], np.float32)
    with pytest.raises(DataError) as raised:
        model.predict(Batch(rows), JSON)
    assert str(raised.value) == f"request body, row 2: features whose {what} is a finite number are needed; got larger"
    model.predict(Batch(rows[:1]), JSON)


def test_finite_numbers_pass():
    refuse_overflow(np.ones((0, 3)), "score")
    refuse_overflow(np.ones(3), "score")
    refuse_large(np.ones((2, 2)), "nowhere")


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("linear-learner", {"predictor_type": "binary_classifier", "mini_batch_size": 20, "num_models": 1}),
        ("knn", KNN),
        ("kmeans", KMEANS),
        ("pca", PCA),
    ],
)
def test_the_content_type_of_a_channel_may_name_labels_and_encoding(vectors_job, algorithm, given):
    vectors_job.csv("train", LABELS, ROWS, content_type="text/csv; label_size=1; charset=utf-8")
    assert vectors_job.fit(algorithm, **given).width == 4
