"""The network in training: what its loss is, that it learns, and what gaps and scales do."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.forecast import Forecaster
from sagecask_forecasting.deepar.likelihoods import loss
from sagecask_forecasting.deepar.network import Network, tensors
from sagecask_forecasting.deepar.panel import Cutter, Panel
from sagecask_forecasting.deepar.scaling import Scales
from sagecask_forecasting.deepar.shape import LikelihoodName, Shape

from sagecask.neural.compiler import uncompiled

SHAPE = Shape(Frequency(1, "D"), 14, 7, "gaussian", (), 4, 0, 12, 1)
LIKELIHOODS = ["gaussian", "student-T", "beta", "negative-binomial", "deterministic-L1"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def panel_of(values: NDArray[np.floating], categories: NDArray[np.int64] | None = None) -> Panel:
    """Return series of equal length that start on a Friday."""
    n, length = values.shape
    return Panel(
        starts=np.full(n, "2021-01-01", "M8[D]"),
        lengths=np.full(n, length),
        values=values.ravel().astype(np.float32),
        categories=np.empty((n, 0), np.int64) if categories is None else categories,
        dynamic=np.empty((0, 0), np.float32),
    )


def waves(likelihood: LikelihoodName = "gaussian", n: int = 30, length: int = 120) -> NDArray[np.float64]:
    """Return weekly waves whose sizes differ a hundredfold."""
    draw = np.random.default_rng(4)
    found = (2 + np.sin(2 * np.pi * np.arange(length) / 7)) * np.exp(draw.uniform(0, 4.6, (n, 1)))
    found *= draw.normal(1, 0.05, (n, length))
    match likelihood:
        case "beta":
            return np.clip(found / found.max(axis=1, keepdims=True) * 1.2 - 0.1, 0, 1)
        case "negative-binomial":
            return draw.poisson(found).astype(np.float64)
        case _:
            return found


def trained(shape: Shape, panel: Panel, steps: int = 150, dropout: float = 0.1) -> tuple[Network, Scales]:
    draw, scales, cutter = np.random.default_rng(0), Scales.fit(panel, shape), Cutter(panel, shape)
    torch.manual_seed(0)
    network = Network(shape, dropout)
    optimizer = uncompiled(lambda given: torch.optim.Adam(given, 1e-2), network.parameters())
    for _ in range(steps):
        series = draw.integers(0, len(panel), 32)
        at = draw.integers(0, panel.lengths[series] - shape.horizon + 1)
        total, weight = network(*tensors(cutter.cut(series, at), scales, shape))
        optimizer.zero_grad()
        (total / weight).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
    return network.eval(), scales


def arrays(network: Network) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def error_of(shape: Shape, values: NDArray[np.floating], truth: NDArray[np.floating], dropout: float = 0.1) -> float:
    """Return the absolute error of medians over the sum of the truth, after training on all but the horizon."""
    panel = panel_of(values[:, : -shape.horizon])
    network, scales = trained(shape, panel, dropout=dropout)
    ahead = replace(panel, dynamic=np.empty((len(values) * values.shape[1], 0), np.float32), ahead=shape.horizon)
    paths = Forecaster(shape, arrays(network), scales).samples(ahead, 50, np.random.default_rng(0))
    found = np.median(paths, axis=1)
    return float(np.abs(found - truth[:, -shape.horizon :]).sum() / np.abs(truth[:, -shape.horizon :]).sum())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_noise_model_learns_weekly_waves(name: LikelihoodName) -> None:
    values = waves(name)
    assert error_of(replace(SHAPE, likelihood=name), values, values) < 0.16


def test_gaps_do_not_ruin_a_forecast() -> None:
    values, draw = waves(), np.random.default_rng(1)
    whole = error_of(SHAPE, values, values)
    for share in (0.1, 0.3):
        gaps = np.where(draw.random(values.shape) < share, np.nan, values)
        assert error_of(SHAPE, gaps, values) < 2 * whole + 0.02


def test_the_loss_is_that_of_observed_points_alone() -> None:
    values = waves(n=4)
    values[:, 100] = np.nan
    panel = panel_of(values)
    scales, network = Scales.fit(panel, SHAPE), Network(SHAPE, 0.0)
    windows = Cutter(panel, SHAPE).cut(np.arange(4), np.array([105, 5, 0, 110]))
    batch = tensors(windows, scales, SHAPE)
    total, weight = network(*batch)
    history, observed, *rest = batch
    # one gap in the first and last window; nine and fourteen points before the series in those between
    assert observed.sum(dim=1).tolist() == [20, 12, 7, 20]
    assert weight == observed.sum()
    raw = network.outputs(history, *rest)
    places, scale = SHAPE.reach.target + np.arange(21), batch[4]
    each = loss("gaussian", raw, torch.nan_to_num(history[:, places]), scale[:, None])
    assert float(total.detach()) == pytest.approx(float(each[observed].sum().detach()), rel=1e-5)


def test_a_point_is_not_seen_before_it_is_forecast() -> None:
    values = waves(n=3)
    panel, changed = panel_of(values), values.copy()
    changed[:, 60:] *= 3
    scales, network = Scales.fit(panel, SHAPE), Network(SHAPE, 0.0)
    found = []
    for each in (panel, panel_of(changed)):
        history, _, *rest = tensors(Cutter(each, SHAPE).cut(np.arange(3), np.full(3, 58)), scales, SHAPE)
        found.append(network.outputs(history, *rest))
    # the first point to be forecast is 58, at step 14; 60 is seen from step 17 on
    assert torch.equal(found[0][:, :17], found[1][:, :17])
    assert not torch.equal(found[0][:, 17], found[1][:, 17])


def test_a_forecast_is_as_large_as_its_series() -> None:
    values = waves()
    panel = panel_of(values)
    network, scales = trained(SHAPE, panel, steps=30)
    none = np.empty((30 * 127, 0), np.float32)
    forecaster = Forecaster(SHAPE, arrays(network), replace(scales, spread=np.array([1e9], np.float32)))
    small = forecaster.samples(replace(panel, dynamic=none, ahead=7), 20, np.random.default_rng(0))
    large = forecaster.samples(
        replace(panel, values=panel.values * 1000, dynamic=none, ahead=7), 20, np.random.default_rng(0)
    )
    np.testing.assert_allclose(large, small * 1000, rtol=2e-3, atol=np.abs(large).max() * 1e-4)


def test_a_seed_gives_the_same_masks_and_weights() -> None:
    panel = panel_of(waves())
    one, other = (arrays(trained(SHAPE, panel, steps=5)[0]) for _ in range(2))
    assert all(np.array_equal(value, other[name]) for name, value in one.items())


def test_units_keep_their_state_at_random_in_training_alone() -> None:
    panel = panel_of(waves())
    network, scales = trained(SHAPE, panel, steps=1, dropout=0.3)
    batch = tensors(Cutter(panel, SHAPE).cut(np.arange(30), np.full(30, 60)), scales, SHAPE)
    assert torch.equal(network(*batch)[0], network(*batch)[0])
    network.train()
    assert not torch.equal(network(*batch)[0], network(*batch)[0])


def test_all_weights_have_a_gradient() -> None:
    values, shape = waves(), replace(SHAPE, cardinality=(3, 2), layers=2)
    categories = np.stack([np.arange(30) % 3, np.arange(30) % 2], axis=1)
    panel = panel_of(values, categories)
    network = Network(shape, 0.1)
    total, _ = network(
        *tensors(Cutter(panel, shape).cut(np.arange(30), np.full(30, 60)), Scales.fit(panel, shape), shape)
    )
    total.backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.any(), name


def test_mixed_precision_changes_loss_and_gradients_little() -> None:
    panel = panel_of(waves())
    network, scales = trained(SHAPE, panel, steps=20, dropout=0.0)
    batch, found = tensors(Cutter(panel, SHAPE).cut(np.arange(30), np.full(30, 60)), scales, SHAPE), []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            total, weight = network(*batch)
        assert total.dtype == torch.float32
        found.append([total / weight, *torch.autograd.grad(total / weight, [network.inputs[0], network.static])])
    for exact, rounded in zip(*found, strict=True):
        # bfloat16 has eight bits
        assert (exact - rounded).norm() <= 0.05 * exact.norm()


def test_a_batch_without_rows_has_no_loss() -> None:
    panel = panel_of(waves())
    network = Network(SHAPE, 0.1)
    none = np.empty(0, np.int64)
    total, weight = network(*tensors(Cutter(panel, SHAPE).cut(none, none), Scales.fit(panel, SHAPE), SHAPE))
    total.backward()
    assert (float(total.detach()), float(weight)) == (0, 0)
    assert not any(each.grad.any() for each in network.parameters() if each.grad is not None)


def test_scales_are_means_of_what_is_known_of_a_context() -> None:
    values = np.full((4, 40), 2.0)
    values[1] = 0
    values[2, ::2], values[2, 1::2] = np.nan, -6
    values[3] = np.nan
    panel = panel_of(values)
    windows = Cutter(panel, SHAPE).cut(np.arange(4), np.full(4, 30))
    scales = Scales.fit(panel, SHAPE)
    # the training series have 2 and 6 on average of their logarithms
    usual = np.sqrt(12)
    np.testing.assert_allclose(scales.of(windows, SHAPE), [2, usual, 6, usual], rtol=1e-6)
    counts = replace(SHAPE, likelihood="negative-binomial")
    np.testing.assert_allclose(scales.of(windows, counts), [3, 1, 7, 1 + usual], rtol=1e-6)
    np.testing.assert_array_equal(scales.of(windows, replace(SHAPE, likelihood="beta")), np.ones(4))


def test_scales_of_unknown_series_are_those_of_their_categories() -> None:
    values = np.repeat([1.0, 100.0, 1.0, 100.0], 30).reshape(4, 30)
    shape = replace(SHAPE, cardinality=(2, 2))
    categories = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    scales = Scales.fit(panel_of(values, categories), shape)
    cold = replace(panel_of(np.empty((4, 0)), categories), lengths=np.zeros(4, np.int64))
    windows = Cutter(cold, shape).cut(np.arange(4), np.zeros(4, np.int64))
    np.testing.assert_allclose(scales.of(windows, shape), [1, 100, 1, 100], rtol=1e-5)


def test_scales_of_zeros_alone_are_one() -> None:
    panel = panel_of(np.zeros((3, 30)))
    scales = Scales.fit(panel, SHAPE)
    windows = Cutter(panel, SHAPE).cut(np.arange(3), np.full(3, 20))
    np.testing.assert_array_equal(scales.of(windows, SHAPE), np.ones(3))
