"""Noise models of training: the loss of values under the network's output (Salinas et al., DeepAR, 2020, section 3.1).

What the output means stands in draws.py. Densities are those of the unscaled values, so that losses of different
series add up to the likelihood of the data; deterministic-L1 alone counts in units of the scale.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

from sagecask_forecasting.deepar.draws import CLOSEST, LEAST
from sagecask_forecasting.deepar.scaling import FARTHEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagecask_forecasting.deepar.shape import LikelihoodName

    Tensor = torch.Tensor


def loss(name: LikelihoodName, raw: Tensor, value: Tensor, scale: Tensor) -> Tensor:
    """Return the negative log-likelihood of each value.

    Parameters
    ----------
    raw : (..., outputs), the network's output
    value : (...), unscaled
    scale : broadcasts against value
    """
    return _LOSSES[name](raw.unbind(-1), value, scale)


def _positive(raw: Tensor) -> Tensor:
    return softplus(raw) + LEAST


def _scaled(value: Tensor, scale: Tensor) -> Tensor:
    # no farther than the network sees values: squares of distances must stay numbers
    return (value / scale).clamp(-FARTHEST, FARTHEST)


def _gaussian(raw: tuple[Tensor, ...], value: Tensor, scale: Tensor) -> Tensor:
    deviation = _positive(raw[1])
    distance = (_scaled(value, scale) - raw[0]) / deviation
    return 0.5 * distance**2 + torch.log(deviation) + (torch.log(scale) + 0.5 * math.log(2 * math.pi))


def _student_t(raw: tuple[Tensor, ...], value: Tensor, scale: Tensor) -> Tensor:
    width, freedom = _positive(raw[1]), 2 + softplus(raw[2])
    distance = (_scaled(value, scale) - raw[0]) / width
    half = freedom / 2
    normaliser = torch.log(width) + 0.5 * torch.log(freedom) + torch.lgamma(half) - torch.lgamma(half + 0.5)
    shape = (half + 0.5) * torch.log1p(distance**2 / freedom)
    return shape + normaliser + (torch.log(scale) + 0.5 * math.log(math.pi))


def _beta(raw: tuple[Tensor, ...], value: Tensor, _: Tensor) -> Tensor:
    first, second = _positive(raw[0]), _positive(raw[1])
    inside = value.clamp(CLOSEST, 1 - CLOSEST)
    normaliser = torch.lgamma(first) + torch.lgamma(second) - torch.lgamma(first + second)
    return normaliser - (first - 1) * torch.log(inside) - (second - 1) * torch.log1p(-inside)


def _negative_binomial(raw: tuple[Tensor, ...], value: Tensor, scale: Tensor) -> Tensor:
    # in double precision, as differences of log-gamma functions cancel where the noise is nearly Poisson
    mean = _positive(raw[0]).double() * scale
    number = torch.sqrt(scale) / _positive(raw[1]).double()
    value = value.double()
    ways = torch.lgamma(value + 1) + torch.lgamma(number) - torch.lgamma(value + number)
    return (ways + number * torch.log1p(mean / number) + value * torch.log1p(number / mean)).to(raw[0].dtype)


def _deterministic(raw: tuple[Tensor, ...], value: Tensor, scale: Tensor) -> Tensor:
    return torch.abs(_scaled(value, scale) - raw[0])


_LOSSES: dict[LikelihoodName, Callable[[tuple[Tensor, ...], Tensor, Tensor], Tensor]] = {
    "gaussian": _gaussian,
    "student-T": _student_t,
    "beta": _beta,
    "negative-binomial": _negative_binomial,
    "deterministic-L1": _deterministic,
}
