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
