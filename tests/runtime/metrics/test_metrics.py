"""Every metric against scikit-learn's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from sagecask import metrics

CLASSES = {
    "accuracy": oracle.accuracy_score,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    "f1_macro": lambda y, p: oracle.f1_score(y, p, average="macro"),
    "precision_macro": lambda y, p: oracle.precision_score(y, p, average="macro"),
    "precision_micro": lambda y, p: oracle.precision_score(y, p, average="micro"),
    "recall_macro": lambda y, p: oracle.recall_score(y, p, average="macro"),
    "recall_micro": lambda y, p: oracle.recall_score(y, p, average="micro"),
}
BINARY = {"f1_binary": oracle.f1_score, "precision": oracle.precision_score, "recall": oracle.recall_score}
NUMBERS = {
    "mae": oracle.mean_absolute_error,
    "mse": oracle.mean_squared_error,
    "r2": oracle.r2_score,
    "rmse": oracle.root_mean_squared_error,
}


def pairs(element):
    return st.lists(st.tuples(element, element), min_size=1, max_size=20).map(lambda rows: np.array(rows).T)


def expected(function, labels, predictions):
    with warnings.catch_warnings():
        # the oracle warns where a ratio has no denominator and gives 0, as ours does
        warnings.simplefilter("ignore")
        return float(function(labels, predictions))


@pytest.mark.parametrize("name", CLASSES)
@given(rows=pairs(st.integers(0, 4)))
def test_metric_of_many_classes_is_that_of_scikit_learn(name, rows):
    assert getattr(metrics, name)(*rows) == pytest.approx(expected(CLASSES[name], *rows))


@pytest.mark.parametrize("name", BINARY)
@given(rows=pairs(st.integers(0, 1)))
def test_metric_of_two_classes_is_that_of_scikit_learn(name, rows):
    assert getattr(metrics, name)(*rows) == pytest.approx(expected(BINARY[name], *rows))


@pytest.mark.parametrize("name", NUMBERS)
@given(rows=pairs(st.floats(-1e3, 1e3, width=32)))
def test_metric_of_numbers_is_that_of_scikit_learn(name, rows):
    if name == "r2" and rows.shape[1] < 2:
        assert math.isnan(metrics.r2(*rows))
        return
    assert getattr(metrics, name)(*rows) == pytest.approx(expected(NUMBERS[name], *rows), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", BINARY)
def test_metric_of_two_classes_refuses_a_third(name):
    with pytest.raises(ValueError, match=r"^classes 0 and 1; got \[0, 1, 2\]$"):
        getattr(metrics, name)([0, 1, 2], [0, 1, 1])


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"^as many predictions as labels; got \(1,\) and \(2,\)$"):
        metrics.accuracy([0, 1], [0])


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@given(rows=pairs(st.integers(0, 4)))
def test_f_score_of_many_classes_is_that_of_scikit_learn(beta, rows):
    wanted = expected(lambda y, p: oracle.fbeta_score(y, p, beta=beta, average="macro"), *rows)
    assert metrics.f_beta_macro(*rows, beta) == pytest.approx(wanted)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@given(rows=pairs(st.integers(0, 1)))
def test_f_score_of_two_classes_is_that_of_scikit_learn(beta, rows):
    wanted = expected(lambda y, p: oracle.fbeta_score(y, p, beta=beta), *rows)
    assert metrics.f_beta_binary(*rows, beta) == pytest.approx(wanted)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=30).map(np.array))
def test_area_under_the_roc_curve_is_that_of_scikit_learn(rows):
    labels, scores = rows.T
    if len(set(labels)) < 2:
        assert math.isnan(metrics.roc_auc(labels, scores))
    else:
        assert metrics.roc_auc(labels, scores) == pytest.approx(oracle.roc_auc_score(labels, scores))


@pytest.fixture(scope="module")
def ranked():
    """Labels and untied scores of 5 classes."""
    draw = np.random.default_rng(2)
    scores = draw.random((200, 5))
    return draw.integers(0, 5, 200), scores / scores.sum(axis=1, keepdims=True)


def test_discounted_gain_is_that_of_scikit_learn(ranked):
    labels, scores = ranked
    assert metrics.dcg(labels, scores) == pytest.approx(oracle.dcg_score(np.eye(5)[labels], scores))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_accuracy_is_that_of_scikit_learn(k, ranked):
    with warnings.catch_warnings():
        # all classes are no task, says the oracle
        warnings.simplefilter("ignore")
        assert metrics.top_k_accuracy(*ranked, k) == pytest.approx(oracle.top_k_accuracy_score(*ranked, k=k))


def test_log_loss_is_that_of_scikit_learn(ranked):
    assert metrics.log_loss(*ranked) == pytest.approx(oracle.log_loss(*ranked))


def test_of_equal_scores_the_lower_class_stands_higher():
    assert metrics.ranks([0, 1, 2], [[0.2, 0.2, 0.2]] * 3).tolist() == [0, 1, 2]


@given(pairs(st.floats(-1e6, 1e6)), st.floats(0.01, 0.99))
def test_quantile_loss_is_twice_the_pinball_loss_of_scikit_learn(rows, level):
    labels, predictions = rows
    twice = 2 * len(labels) * oracle.mean_pinball_loss(labels, predictions, alpha=level)
    assert metrics.quantile_loss(labels, predictions, level) == pytest.approx(twice, rel=1e-9, abs=1e-6)


def test_weighted_quantile_loss_is_a_share_of_the_labels():
    assert metrics.weighted_quantile_loss([1.0, -3.0], [2.0, -3.0], 0.9) == pytest.approx(0.2 / 4)
    assert math.isnan(metrics.weighted_quantile_loss([0.0, 0.0], [0.0, 1.0], 0.5))
