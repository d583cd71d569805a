"""The compiled step against the same formula in plain numpy, and against torch's operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sagecask_vectors.linear_learner import native
from sagecask_vectors.linear_learner.optimizers import Coefficients, Group, Rates
from sagecask_vectors.linear_learner.settings import ModelSettings

MODELS = [
    ModelSettings("adam", 0.1, 0.0, 0.01, 10, 0.9, 0.05),
    ModelSettings("rmsprop", 0.01, 0.02, 0.0, 5, 0.5, 0.001),
    ModelSettings("sgd", 0.2, 0.1, 0.1, 1, 1.0, 0.0),
]
DECAYS = (0.9, 0.99, 0.5)
CPU = torch.device("cpu")


def reference(weights, gradients, rates):
    """Take the steps one model after another, in double precision, and return weights and their average."""
    weights = weights.astype(float)
    average = weights.copy()
    for column, model in enumerate(MODELS):
        w, m, v = weights[:, column], 0.0, 0.0
        for step, gradient in enumerate(gradients):
            rate = rates[step, column]
            g = 0.5 * gradient[:, column] + model.wd * w
            l1 = model.l1
            if model.optimizer == "adam":
                m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
                size = rate / (np.sqrt(v) + 1e-8)
            elif model.optimizer == "rmsprop":
                m, v = g, 0.9 * v + 0.1 * g * g
                size = rate / (np.sqrt(v) + 1e-8)
            else:
                m, size, l1 = 0.5 * m + g, rate, l1 / (1 - 0.5)
            w = w - size * m
            w = np.sign(w) * np.maximum(np.abs(w) - size * l1, 0)
            average[:, column] += 0.25 * (w - average[:, column])
        weights[:, column] = w
    return weights, average


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "tensors"])
def test_step_is_the_formula(compiled):
    draw = np.random.default_rng(0)
    start = draw.standard_normal((37, 3)).astype(np.float32)
    gradients = draw.standard_normal((6, 37, 3)).astype(np.float32)
    rates = Rates(MODELS, 1, DECAYS[:2], CPU)
    weights, average, gradient = (torch.from_numpy(start.copy()) for _ in range(3))
    group = Group(weights, average, gradient, Coefficients(MODELS, 1, DECAYS, (1.0, 1.0), CPU))
    for step, each in enumerate(gradients):
        gradient.copy_(torch.from_numpy(each))
        (group.step if compiled else group.step_by_tensors)(rates.at(step), 0.5, 0.25)
    wanted = reference(start, gradients, rates.table(np.arange(6)))
    np.testing.assert_allclose(weights, wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(average, wanted[1], rtol=1e-4, atol=1e-5)


def test_rates_fall_by_the_factor_every_so_many_steps_to_their_floor():
    table = Rates(MODELS, 1, (0.0, 0.0), CPU).table(np.arange(40))
    np.testing.assert_allclose(table[[0, 9, 10, 20, 39], 0], [0.1, 0.1, 0.09, 0.081, 0.0729], rtol=1e-6)
    np.testing.assert_allclose(table[[0, 4, 5, 39], 1], [0.01, 0.01, 0.005, 0.001], rtol=1e-6)
    np.testing.assert_allclose(table[:, 2], 0.2, rtol=1e-6)


def test_what_is_no_number_stays_none():
    arrays = [np.full((1, 2), value, np.float32) for value in (np.nan, 0, 0, 0, 1)]
    native.step(*arrays, np.ones((1, 2), np.float32), np.ones((8, 2), np.float32), 1.0, 1.0)
    assert np.isnan(arrays[0]).all()


def test_arrays_of_another_shape_or_type_are_refused():
    good = [np.zeros((2, 3), np.float32) for _ in range(5)]
    rates, table = np.zeros((1, 3), np.float32), np.zeros((8, 3), np.float32)
    message = "{}: a matrix of float32 in the shape of the others is needed"
    for place, name in enumerate(("weights", "first", "second", "average", "gradient")):
        for bad in (np.zeros((2, 3)), np.zeros((3, 3), np.float32), np.zeros(6, np.float32)):
            if place == 0 and bad.shape == (3, 3):
                continue
            given = [*good[:place], bad, *good[place + 1 :]]
            with pytest.raises(ValueError, match=f"^{message.format(name)}$"):
                native.step(*given, rates, table, 1.0, 1.0)
    with pytest.raises(ValueError, match=f"^{message.format('rates')}$"):
        native.step(*good, np.zeros((2, 3), np.float32), table, 1.0, 1.0)
    with pytest.raises(ValueError, match=f"^{message.format('coefficients')}$"):
        native.step(*good, rates, table[:7].copy(), 1.0, 1.0)
