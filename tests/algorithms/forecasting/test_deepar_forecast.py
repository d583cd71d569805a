"""Sample paths beside a plain loop over paths in numpy, and what a forecaster says of odd series."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.draws import draw
from sagecask_forecasting.deepar.forecast import Forecaster
from sagecask_forecasting.deepar.network import Network, tensors
from sagecask_forecasting.deepar.panel import Cutter, Panel
from sagecask_forecasting.deepar.scaling import FARTHEST, UNKNOWN, Scales
from sagecask_forecasting.deepar.shape import LikelihoodName, Shape
from sagecask_forecasting.deepar.weights import check, sizes

from sagecask.errors import ModelDataError

Weights = dict[str, NDArray[np.float32]]
SHAPE = Shape(Frequency(1, "D"), 10, 16, "gaussian", (3, 2), 4, 1, 6, 2)


def panel_of(shape: Shape, lengths: list[int], seed: int = 0, missing: float = 0.0) -> Panel:
    """Return weekly waves of different sizes, with features for the horizon too."""
    draw, n = np.random.default_rng(seed), len(lengths)
    waves = [(2 + np.sin(2 * np.pi * np.arange(size) / 7)) * np.exp(draw.normal()) for size in lengths]
    values = np.concatenate([*waves, []]).astype(np.float32) + draw.normal(0, 0.1, sum(lengths)).astype(np.float32)
    if shape.likelihood == "beta":
        values = np.clip(values / 20, 0, 1)
    if shape.likelihood == "negative-binomial":
        values = np.round(np.abs(values))
    values[draw.random(len(values)) < missing] = np.nan
    return Panel(
        starts=np.array(["2021-01-01"] * n, "M8[D]") + draw.integers(0, 30, n),
        lengths=np.array(lengths, np.int64),
        values=values,
        categories=np.stack([draw.integers(0, size, n) for size in shape.cardinality], axis=1)
        if shape.cardinality
        else np.empty((n, 0), np.int64),
        dynamic=draw.random((sum(lengths) + n * shape.horizon, shape.dynamic), np.float32),
        ahead=shape.horizon,
    )


def network_of(shape: Shape, dropout: float = 0.1) -> tuple[Network, Weights]:
    torch.manual_seed(3)
    network = Network(shape, dropout).eval()
    return network, {name: value.numpy() for name, value in network.state_dict().items()}


def plain_paths(
    shape: Shape, weights: Weights, scales: Scales, panel: Panel, number: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return (n_series, number, horizon), path by path and step by step."""
    reach, keep = shape.reach, weights["keep"]
    windows = Cutter(panel, shape).cut(np.arange(len(panel)), panel.lengths)
    scale = scales.of(windows, shape)
    history = np.clip(np.nan_to_num(windows.history / scale[:, None], nan=UNKNOWN), -FARTHEST, FARTHEST)
    embedded = [weights[f"embeddings.{c}"][windows.categories[:, c]] for c in range(len(shape.cardinality))]
    static = np.concatenate([*embedded, scales.relative(scale)[:, None]], axis=1)
    base, features, history, scale = (
        np.repeat(each, number, axis=0)
        for each in (static @ weights["static"].T + weights["biases.0"], windows.features, history, scale)
    )
    hidden = np.zeros((shape.layers, len(history), shape.cells))
    cell, paths = np.zeros_like(hidden), np.empty((len(history), shape.horizon), np.float32)
    for step in range(shape.context + shape.horizon):
        seen = np.concatenate([history[:, reach.places + step], features[:, step]], axis=1)
        for layer in range(shape.layers):
            gates = seen @ weights[f"inputs.{layer}"].T + hidden[layer] @ weights[f"recurrent.{layer}"].T
            gates = gates + (weights[f"biases.{layer}"] if layer else base)
            taken, kept, new, out = np.split(gates, 4, axis=1)
            moved = cell[layer] / (1 + np.exp(-kept)) + np.tanh(new) / (1 + np.exp(-taken))
            shows = np.tanh(moved) / (1 + np.exp(-out))
            hidden[layer] = keep * hidden[layer] + (1 - keep) * shows
            cell[layer] = keep * cell[layer] + (1 - keep) * moved
            seen = hidden[layer]
        if step >= shape.context:
            raw = (seen @ weights["head.weight"].T + weights["head.bias"]).astype(np.float32)
            paths[:, step - shape.context] = draw(shape.likelihood, raw, scale, generator)
            history[:, reach.target + step] = np.clip(paths[:, step - shape.context] / scale, -FARTHEST, FARTHEST)
    return paths.reshape(len(panel), number, shape.horizon)


@pytest.mark.parametrize("name", ["gaussian", "student-T", "beta", "negative-binomial", "deterministic-L1"])
def test_parameters_with_all_points_known_equal_those_of_the_network(name: LikelihoodName) -> None:
    shape = replace(SHAPE, likelihood=name)
    panel = panel_of(shape, [400, 60, 90, 30, 5, 700] * 7, missing=0.1)
    scales, (network, weights) = Scales.fit(panel, shape), network_of(shape)
    windows = Cutter(panel, shape).cut(np.arange(len(panel)), np.maximum(panel.lengths - shape.horizon, 0))
    history, _, *rest = tensors(windows, scales, shape)
    with torch.no_grad():
        wanted = network.outputs(history, *rest).numpy()
    found = Forecaster(shape, weights, scales).outputs(windows)
    assert wanted.shape == (42, 26, len(weights["head.bias"]))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("number", [1, 7, 50])
def test_paths_without_noise_equal_those_of_a_plain_loop(number: int, threads: int) -> None:
    shape = replace(SHAPE, likelihood="deterministic-L1")
    panel = panel_of(shape, [400, 60, 90, 30, 0, 700, 3, 26], missing=0.1)
    scales, (_, weights) = Scales.fit(panel, shape), network_of(shape)
    generator = np.random.default_rng(0)
    found = Forecaster(shape, weights, scales, threads).samples(panel, number, generator)
    np.testing.assert_allclose(
        found, plain_paths(shape, weights, scales, panel, number, generator), rtol=1e-4, atol=1e-5
    )


def test_draws_of_the_same_generator_equal_those_of_a_plain_loop() -> None:
    shape = replace(SHAPE, horizon=8)
    panel = panel_of(shape, [60, 90, 0])
    scales, (_, weights) = Scales.fit(panel, shape), network_of(shape)
    found = Forecaster(shape, weights, scales).samples(panel, 45, np.random.default_rng(1))
    wanted = plain_paths(shape, weights, scales, panel, 45, np.random.default_rng(1))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["student-T", "negative-binomial", "beta"])
def test_paths_are_distributed_as_those_of_a_plain_loop(name: LikelihoodName) -> None:
    shape = replace(SHAPE, likelihood=name, horizon=4)
    panel = panel_of(shape, [60, 90])
    scales, (_, weights) = Scales.fit(panel, shape), network_of(shape)
    found = Forecaster(shape, weights, scales).samples(panel, 4000, np.random.default_rng(1))
    wanted = plain_paths(shape, weights, scales, panel, 4000, np.random.default_rng(2))
    for level in (0.1, 0.5, 0.9):
        at = np.quantile(wanted, level, axis=1, keepdims=True)
        below, upto = (found < at).mean(axis=1), (found <= at).mean(axis=1)
        # four standard errors of two shares of 4,000
        assert (below <= level + 0.03).all()
        assert (upto >= level - 0.03).all()


def test_all_paths_of_a_point_forecast_are_equal() -> None:
    shape = replace(SHAPE, likelihood="deterministic-L1")
    panel = panel_of(shape, [40, 50])
    found = Forecaster(shape, network_of(shape)[1], Scales.fit(panel, shape)).samples(panel, 5, np.random.default_rng())
    assert found.shape == (2, 5, 16)
    assert (found == found[:, :1]).all()


def test_forecasts_of_one_series_do_not_depend_on_those_beside_it() -> None:
    shape = replace(SHAPE, likelihood="deterministic-L1")
    panel = panel_of(shape, [40, 50, 400])
    forecaster = Forecaster(shape, network_of(shape)[1], Scales.fit(panel, shape))
    together = forecaster.samples(panel, 3, np.random.default_rng())
    last = Panel(
        panel.starts[2:], panel.lengths[2:], panel.values[90:], panel.categories[2:],
        panel.dynamic[90 + 2 * shape.horizon :], shape.horizon,
    )  # fmt: skip
    np.testing.assert_allclose(forecaster.samples(last, 3, np.random.default_rng())[0], together[2], rtol=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "student-T", "beta", "negative-binomial", "deterministic-L1"])
def test_series_that_are_empty_zero_short_or_missing_have_finite_forecasts(name: LikelihoodName) -> None:
    shape = replace(SHAPE, likelihood=name)
    panel = panel_of(shape, [0, 50, 1, 50])
    panel.values[:50] = 0
    panel.values[51:] = np.nan
    scales = Scales.fit(panel_of(shape, [50] * 5), shape)
    found = Forecaster(shape, network_of(shape)[1], scales).samples(panel, 20, np.random.default_rng(0))
    assert found.shape == (4, 20, 16)
    assert np.isfinite(found).all()


def test_no_series_have_no_paths() -> None:
    panel = panel_of(SHAPE, [])
    scales = Scales.fit(panel_of(SHAPE, [50] * 5), SHAPE)
    found = Forecaster(SHAPE, network_of(SHAPE)[1], scales).samples(panel, 20, np.random.default_rng(0))
    assert found.shape == (0, 20, 16)


def test_sound_arrays_pass() -> None:
    scales, (_, weights) = Scales.fit(panel_of(SHAPE, [50]), SHAPE), network_of(SHAPE)
    arrays = {**weights, **scales.arrays()}
    check(SHAPE, arrays, "model.tar.gz")
    assert set(arrays) == set(sizes(SHAPE))
    again = Scales.of_arrays(arrays)
    assert all(np.array_equal(getattr(again, name), getattr(scales, name)) for name in ("overall", "by_category"))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("inputs.0", None, 'm: an array "inputs.0" of 24x25 float32 is needed; got none'),
        ("head.bias", np.zeros(3, np.float32), 'm: an array "head.bias" of 2 float32 is needed; got 3 float32'),
        ("keep", np.zeros((), np.float32), 'm: an array "keep" of 1 float32 is needed; got one float32'),
        ("keep", np.full(1, 2, np.float32), 'm: "keep" from 0 to 1 is needed; got 2.0'),
        ("biases.1", np.zeros(24), 'm: an array "biases.1" of 24 float32 is needed; got 24 float64'),
        ("biases.1", np.full(24, np.nan, np.float32), 'm: finite numbers in "biases.1" are needed; got nan'),
        ("scales.spread", np.zeros(1, np.float32), 'm: "scales.spread" above 0 is needed; got 0.0'),
    ],
)
def test_damaged_arrays_are_refused(name: str, array: NDArray[np.float32] | None, message: str) -> None:
    arrays: dict[str, NDArray[np.float32]] = {
        **network_of(SHAPE)[1],
        **Scales.fit(panel_of(SHAPE, [50]), SHAPE).arrays(),
    }
    del arrays[name]
    if array is not None:
        arrays[name] = array
    with pytest.raises(ModelDataError) as caught:
        check(SHAPE, arrays, "m")
    assert str(caught.value) == message
