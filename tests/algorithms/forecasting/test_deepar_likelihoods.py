"""Losses beside the densities of scipy, and draws beside its moments."""

from typing import get_args

import numpy as np
import pytest
import torch
from sagecask_forecasting.deepar import draws
from sagecask_forecasting.deepar.likelihoods import loss
from sagecask_forecasting.deepar.shape import LikelihoodName
from scipy import stats

NAMES = get_args(LikelihoodName)
VALUES = {
    "gaussian": [-3.0, 0.0, 12.5],
    "student-T": [-3.0, 0.0, 12.5],
    "beta": [0.01, 0.5, 0.97],
    "negative-binomial": [0.0, 1.0, 40.0],
    "deterministic-L1": [-3.0, 0.0, 12.5],
}
EXTREMES = {
    "gaussian": [-1e6, 0.0, 1e6],
    "student-T": [-1e6, 0.0, 1e6],
    "beta": [0.0, 0.5, 1.0],
    "negative-binomial": [0.0, 1.0, 1e6],
    "deterministic-L1": [-1e6, 0.0, 1e6],
}


def known(name: LikelihoodName, raw: np.ndarray, scale: float):
    """Return scipy's distribution for the outputs of a network."""
    above = np.logaddexp(raw, 0) + draws.LEAST
    match name:
        case "gaussian":
            return stats.norm(raw[0] * scale, above[1] * scale)
        case "student-T":
            return stats.t(2 + np.logaddexp(raw[2], 0), raw[0] * scale, above[1] * scale)
        case "beta":
            return stats.beta(above[0], above[1])
        case _:
            mean, shape = above[0] * scale, above[1] / np.sqrt(scale)
            return stats.nbinom(1 / shape, 1 / (1 + mean * shape))


@pytest.mark.parametrize("raw", [(0.3, -1.0, 0.5), (-2.0, 1.5, 3.0), (4.0, 0.0, -4.0)])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "deterministic-L1"])
def test_the_loss_is_the_negative_log_density(name: LikelihoodName, raw: tuple[float, ...]) -> None:
    scale, outputs = (1.0 if name == "beta" else 2.5), np.array(raw[: draws.OUTPUTS[name]])
    values = np.array(VALUES[name])
    wanted = known(name, outputs, scale)
    wanted = -(wanted.logpmf(values) if name == "negative-binomial" else wanted.logpdf(values))
    along = torch.tensor(outputs, dtype=torch.float32).expand(3, -1)
    found = loss(name, along, torch.tensor(values, dtype=torch.float32), torch.tensor(scale))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_the_loss_of_a_point_is_its_distance_in_units_of_the_scale() -> None:
    found = loss("deterministic-L1", torch.tensor([[2.0], [-1.0]]), torch.tensor([3.0, 4.0]), torch.tensor(2.0))
    assert found.tolist() == [0.5, 3.0]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_stay_finite_at_extremes(name: LikelihoodName, scale: float) -> None:
    outputs = draws.OUTPUTS[name]
    for level in (-200.0, -20.0, 0.0, 20.0, 200.0):
        raw = torch.full((3, outputs), level, requires_grad=True)
        found = loss(name, raw, torch.tensor(EXTREMES[name]), torch.tensor(1.0 if name == "beta" else scale))
        gradient = torch.autograd.grad(found.sum(), raw)[0]
        assert torch.isfinite(found).all(), (level, found)
        assert torch.isfinite(gradient).all(), (level, gradient)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_mean_and_the_quantiles_of_the_distribution(name: LikelihoodName) -> None:
    raw, scale = np.array([0.4, -0.5, 1.0][: draws.OUTPUTS[name]], np.float32), np.float32(1 if name == "beta" else 8)
    many = draws.draw(name, np.broadcast_to(raw, (40_000, len(raw))), scale, np.random.default_rng(1))
    assert many.dtype == np.float32
    mean = draws.mean(name, raw, scale)
    if name == "deterministic-L1":
        assert (many == mean).all()
        return
    wanted = known(name, raw.astype(np.float64), float(scale))
    assert mean == pytest.approx(wanted.mean(), rel=1e-5)
    # four standard errors
    assert many.mean() == pytest.approx(wanted.mean(), abs=4 * wanted.std() / 200)
    for share in (0.1, 0.5, 0.9):
        at = wanted.ppf(share)
        below = (many < at).mean(), (many <= at).mean()
        assert below[0] - 0.006 <= share <= below[1] + 0.006


@pytest.mark.parametrize("name", NAMES)
def test_draws_stay_finite_at_extremes(name: LikelihoodName) -> None:
    outputs, generator = draws.OUTPUTS[name], np.random.default_rng(0)
    for level in (-200.0, -20.0, 0.0, 20.0, 200.0):
        for scale in (1e-6, 1.0, 1e8):
            raw = np.full((1000, outputs), level, np.float32)
            found = draws.draw(name, raw, np.float32(scale), generator)
            assert np.isfinite(found).all(), (level, scale)


def test_the_same_generator_draws_the_same() -> None:
    raw = np.random.default_rng(0).standard_normal((50, 3), np.float32)
    found = [draws.draw("student-T", raw, np.float32(1), np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*found)


def test_a_series_of_zeros_has_a_finite_loss_and_draws() -> None:
    for name in ("gaussian", "student-T", "negative-binomial", "deterministic-L1"):
        raw = torch.zeros(5, draws.OUTPUTS[name])
        assert torch.isfinite(loss(name, raw, torch.zeros(5), torch.tensor(1.0))).all()
