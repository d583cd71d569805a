"""Scores, gradients and steps: the compiled code beside plain numpy, and what training finds."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import torch
from sagecask_vectors.factorization_machines.dense import DenseEngine
from sagecask_vectors.factorization_machines.engines import CompiledEngine, SharedEngine
from sagecask_vectors.factorization_machines.native import Machine, arrays_of, scores
from sagecask_vectors.factorization_machines.settings import Optimizer
from sagecask_vectors.factorization_machines.weights import Start, Weights, start
from scipy.sparse import csr_matrix

from sagecask.cluster import Cluster

ONE_HOST = Cluster(("algo-1",), "algo-1")
# single precision, over a few hundred steps
CLOSE = {"rtol": 2e-4, "atol": 2e-6}


def exactly(message):
    return f"^{re.escape(message)}$"


def rows(n_rows=60, n_features=12, seed=0):
    """Return (n_rows, n_features) float32, two thirds of them zero, the last feature always."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 1 / 3)
    features[:, -1] = 0
    return features.astype(np.float32)


def labels_of(n_rows, *, logistic, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random(n_rows) < 0.4 if logistic else rng.normal(2, 1, n_rows)).astype(np.float32)


def weights_of(n_features=12, n_factors=5):
    return start(n_features, n_factors, Start("constant", value=0.5), Start("uniform", 0.3), Start("normal", 0.2))


def by_definition(weights, features):
    """Return the scores by the sum over all pairs."""
    answers = []
    for row in features.astype(np.float64):
        score = weights.bias[0] + row @ weights.linear
        for i, j in itertools.combinations(range(len(row)), 2):
            score += weights.factors[i].astype(np.float64) @ weights.factors[j] * row[i] * row[j]
        answers.append(score)
    return np.array(answers)


def trained_by_numpy(weights, optimizer, features, labels, size):
    """Return bias, linear weights and factors after one epoch: Adam, a feature's clock ticks when it occurs."""
    groups = [each.astype(np.float64) for each in (weights.bias, weights.linear[:, None], weights.factors)]
    means, squares = [np.zeros_like(each) for each in groups], [np.zeros_like(each) for each in groups]
    clocks = np.zeros(1), np.zeros((len(groups[1]), 1))
    for begin in range(0, len(labels), size):
        x, y = features[begin : begin + size].astype(np.float64), labels[begin : begin + size]
        scores = by_definition(Weights(groups[0], groups[1][:, 0], groups[2]), x)
        errors = (1 / (1 + np.exp(-scores)) if optimizer.logistic else scores) - y
        sums = x @ groups[2]
        slopes = [
            np.array([errors.sum()]),
            (errors @ x)[:, None],
            np.einsum("r,ri,rk->ik", errors, x, sums) - (errors @ x**2)[:, None] * groups[2],
        ]
        met = (x != 0).any(axis=0)[:, None]
        clocks[0][...] += 1
        clocks[1][met] += 1
        for index, group in enumerate(groups):
            scale = optimizer.scale or 1 / len(y)
            slope = np.clip(scale * slopes[index] + optimizer.decays[index] * group, -optimizer.clip, optimizer.clip)
            here = np.ones(1, bool) if index == 0 else met
            clock = np.maximum(clocks[min(index, 1)], 1)
            means[index] = np.where(here, 0.9 * means[index] + 0.1 * slope, means[index])
            squares[index] = np.where(here, 0.999 * squares[index] + 0.001 * slope**2, squares[index])
            rate = optimizer.rates[index] * np.sqrt(1 - 0.999**clock) / (1 - 0.9**clock)
            groups[index] = group - here * rate * means[index] / (np.sqrt(squares[index]) + optimizer.epsilon)
    return groups[0], groups[1][:, 0], groups[2]


def assert_close(weights, expected, **tolerance):
    for got, wanted in zip((weights.bias, weights.linear, weights.factors), expected, strict=True):
        np.testing.assert_allclose(got, wanted, **(CLOSE | tolerance))


@pytest.mark.parametrize("n_factors", [1, 2, 7, 8, 9, 16, 27])
def test_score_is_the_sum_over_pairs(n_factors):
    weights, features = weights_of(n_factors=n_factors), rows()
    np.testing.assert_allclose(weights.scores(features), by_definition(weights, features), rtol=1e-5, atol=1e-6)


def test_sparse_rows_score_as_dense_ones_to_the_bit_whether_zeros_are_stored_or_not():
    weights, features = weights_of(), rows()
    stored = csr_matrix((features.ravel(), np.tile(np.arange(12), 60), np.arange(61) * 12), shape=features.shape)
    np.testing.assert_array_equal(weights.scores(csr_matrix(features)), weights.scores(features))
    np.testing.assert_array_equal(weights.scores(stored), weights.scores(features))


OPTIMIZERS = {
    "squared": Optimizer(logistic=False, rates=(0.1, 0.03, 0.02), decays=(0.01, 0.02, 0.03)),
    "logistic": Optimizer(logistic=True, rates=(0.1, 0.03, 0.02), decays=(0.01, 0.02, 0.03)),
    "rescaled": Optimizer(logistic=False, rates=(0.1, 0.03, 0.02), decays=(0, 0.2, 0.3), scale=0.125),
    "clipped": Optimizer(logistic=False, rates=(0.1, 0.03, 0.02), decays=(0, 0.02, 0.03), clip=0.05),
    "large epsilon": Optimizer(logistic=True, rates=(1, 0.3, 0.2), decays=(0, 0, 0), epsilon=0.5),
}


@pytest.mark.parametrize("n_factors", [3, 8, 17])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_epoch_is_that_of_numpy(name, n_factors):
    optimizer, features = OPTIMIZERS[name], rows()
    labels = labels_of(60, logistic=optimizer.logistic)
    weights = weights_of(n_factors=n_factors)
    expected = trained_by_numpy(weights, optimizer, features, labels, 7)
    CompiledEngine(weights, optimizer).learn(features, labels, 7)
    assert_close(weights, expected)


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
def test_sparse_rows_train_as_dense_ones_to_the_bit(size):
    features, labels, trained = rows(), labels_of(60, logistic=False), []
    for each in (features, csr_matrix(features)):
        weights = weights_of()
        answers = CompiledEngine(weights, OPTIMIZERS["squared"]).learn(each, labels, size)
        trained.append((answers, weights.bias, weights.linear, weights.factors))
    for dense, sparse in zip(*trained, strict=True):
        np.testing.assert_array_equal(dense, sparse)


def test_feature_that_does_not_occur_keeps_its_start():
    weights = weights_of()
    linear, factors = weights.linear[-1].copy(), weights.factors[-1].copy()
    CompiledEngine(weights, OPTIMIZERS["squared"]).learn(rows(), labels_of(60, logistic=False), 5)
    assert weights.linear[-1] == linear
    np.testing.assert_array_equal(weights.factors[-1], factors)


def test_answers_while_training_are_those_before_the_step():
    weights, features = weights_of(), rows()
    before = weights.scores(features)
    answers = CompiledEngine(weights, OPTIMIZERS["squared"]).learn(features, labels_of(60, logistic=False), 60)
    np.testing.assert_array_equal(answers, before)


def test_clock_of_a_feature_goes_on_after_the_corrections_table_ends():
    features, labels = np.ones((17000, 1), np.float32), np.tile(np.float32([1, 0]), 8500)
    weights = weights_of(1, 1)
    optimizer = Optimizer(logistic=False, rates=(0.001, 0.001, 0.001), decays=(0, 0, 0))
    expected = trained_by_numpy(weights, optimizer, features, labels, 1)
    CompiledEngine(weights, optimizer).learn(features, labels, 1)
    # rounding of many thousand steps
    assert_close(weights, expected, rtol=1e-3)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_shared_steps_and_those_of_a_device_are_the_compiled_ones(name, sparse):
    optimizer, features = OPTIMIZERS[name], rows()
    labels = labels_of(60, logistic=optimizer.logistic)
    own, shared, device = weights_of(), weights_of(), weights_of()
    engine = CompiledEngine(own, optimizer)
    others = [
        SharedEngine(shared, optimizer, ONE_HOST),
        DenseEngine(device, optimizer, ONE_HOST, torch.device("cpu")),
    ]
    given = csr_matrix(features) if sparse else features
    for begin in range(0, 60, 20):
        part = slice(begin, begin + 20)
        answers = engine.learn(given[part], labels[part], 20)
        for other in others:
            np.testing.assert_allclose(other.learn(given[part], labels[part], 20), answers, rtol=1e-4, atol=1e-5)
    for other in others:
        other.finish()
    assert_close(shared, (own.bias, own.linear, own.factors))
    assert_close(device, (own.bias, own.linear, own.factors))


def test_device_takes_many_mini_batches_at_a_time():
    optimizer, features, labels = OPTIMIZERS["squared"], rows(), labels_of(60, logistic=False)
    own, device = weights_of(), weights_of()
    CompiledEngine(own, optimizer).learn(features, labels, 7)
    engine = DenseEngine(device, optimizer, ONE_HOST, torch.device("cpu"))
    engine.learn(features, labels, 7)
    engine.learn(features[:0], labels[:0], 7)
    engine.finish()
    assert_close(device, (own.bias, own.linear, own.factors))


@pytest.mark.parametrize(
    ("index", "array", "message"),
    [
        (0, np.zeros((2, 3)), "values: an array of 2 dimensions and type f is needed"),
        (0, np.zeros((2, 4), np.float32), "rows of 3 features are needed; got rows of another width"),
        (3, np.zeros(2, np.float32), "bias: 1 numbers are needed; got 2"),
        (4, np.zeros(2, np.float32), "linear: 3 numbers are needed; got 2"),
        (5, np.zeros((0, 2), np.float32), "factors: at least one feature and one factor are needed"),
        (6, np.zeros(3, np.float32), "scores: 2 numbers are needed; got 3"),
    ],
)
def test_compiled_code_refuses_arrays_of_another_kind(index, array, message):
    arguments = [np.zeros((2, 3), np.float32), None, None, np.zeros(1, np.float32), np.zeros(3, np.float32),
                 np.zeros((3, 2), np.float32), np.zeros(2, np.float32)]  # fmt: skip
    arguments[index] = array
    with pytest.raises(ValueError, match=exactly(message)):
        scores(*arguments)


@pytest.mark.parametrize(
    ("columns", "ends", "message"),
    [
        ([0, 3], [0, 1, 2], "rows of 3 features are needed; got a column beyond the last"),
        ([0, -1], [0, 1, 2], "rows of 3 features are needed; got a column beyond the last"),
        ([0, 1], [1, 1, 2], "rows of 3 features are needed; got a first row that does not begin at 0"),
        ([0, 1], [0, 5, 2], "rows of 3 features are needed; got a row that ends before it begins"),
        ([0, 1], [0, 1, 3], "ends: where each row ends, after a 0, is needed"),
        ([0, 1], [], "ends: where each row ends, after a 0, is needed"),
    ],
)
def test_compiled_code_refuses_rows_that_leave_their_arrays(columns, ends, message):
    weights = weights_of(3, 2)
    arrays = np.ones(2, np.float32), np.array(columns, np.int32), np.array(ends, np.int64)
    with pytest.raises(ValueError, match=exactly(message)):
        scores(*arrays, weights.bias, weights.linear, weights.factors, np.zeros(2, np.float32))


def test_compiled_code_refuses_steps_that_are_not_of_its_features():
    weights = weights_of(3, 2)
    machine = Machine(weights.bias, weights.linear, weights.factors, 0, (1, 1, 1), (0, 0, 0), 1e-8, math.inf)
    for touched in ([0, 3], [-1, 0], [1, 1]):
        with pytest.raises(ValueError, match=exactly("touched: rising numbers of features are needed")):
            machine.step(np.array(touched, np.int32), 0.0, np.ones(2, np.float32), np.ones((2, 2), np.float32), 1.0)
    features, labels, answers = np.ones((1, 3), np.float32), np.ones(1, np.float32), np.ones(1, np.float32)
    assert machine.add(*arrays_of(features), labels, answers) == 3
    with pytest.raises(ValueError, match=exactly("mini-batches of a row at least, and none begun, are needed")):
        machine.train(*arrays_of(features), labels, answers, 1, 0.0)
    with pytest.raises(ValueError, match=exactly("touched: 3 numbers are needed; got 2")):
        machine.take(np.zeros(2, np.int32), np.ones(2, np.float32), np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match=exactly("a loss below 2 is needed; got 2")):
        Machine(weights.bias, weights.linear, weights.factors, 2, (1, 1, 1), (0, 0, 0), 1e-8, math.inf)


def test_starts_have_their_distributions_and_repeat():
    again = start(4000, 3, Start("constant", value=7), Start("uniform", 0.5), Start("normal", 0.1))
    first = start(4000, 3, Start("constant", value=7), Start("uniform", 0.5), Start("normal", 0.1))
    np.testing.assert_array_equal(first.factors, again.factors)
    assert first.bias.tolist() == [7]
    assert first.factors.ctypes.data % 64 == 0
    # six standard errors of 4,000 and 12,000 draws
    assert abs(first.linear.mean()) < 6 * 0.5 / math.sqrt(3 * 4000)
    assert 0.499 < np.abs(first.linear).max() <= 0.5
    assert abs(first.factors.std() - 0.1) < 6 * 0.1 / math.sqrt(24000)
