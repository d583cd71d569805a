"""Noise models of serving: draws, means and what outputs stand for (Salinas et al., DeepAR, 2020, section 3.1).

With m, s, v the outputs and S a series' scale, softplus(x) = log(1 + exp(x)):

gaussian           mean m S, deviation softplus(s) S
student-T          location m S, width softplus(s) S, degrees of freedom 2 + softplus(v), so that the variance is finite
beta               shapes softplus(m) and softplus(s), without a scale
negative-binomial  mean softplus(m) S, shape softplus(s) / sqrt(S): the variance is mean + shape mean^2
deterministic-L1   the point m S
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.shape import LikelihoodName

    Floats = NDArray[np.float32]
    Draw = Callable[[tuple[Floats, ...], Floats, np.random.Generator], NDArray[np.floating]]

OUTPUTS: dict[LikelihoodName, int] = {
    "gaussian": 2,
    "student-T": 3,
    "beta": 2,
    "negative-binomial": 2,
    "deterministic-L1": 1,
}
# added to what must be above 0
LEAST = 1e-5
# distance from 0 and 1 below which a share counts as being there, as densities may be infinite at both
CLOSEST = 1e-4
# a Poisson draw takes no larger mean
_MOST_COUNTS = 1e15


def draw(name: LikelihoodName, raw: Floats, scale: Floats, generator: np.random.Generator) -> Floats:
    """Return one value for each position.

    Parameters
    ----------
    raw : (..., outputs) float32
    scale : broadcasts against (...)
    """
    return _DRAWS[name](_parts(raw), scale, generator).astype(np.float32, copy=False)


def mean(name: LikelihoodName, raw: Floats, scale: Floats) -> Floats:
    """Return the mean at each position; parameters as of `draw`."""
    parts = _parts(raw)
    if name == "beta":
        first, second = positive(parts[0]), positive(parts[1])
        return first / (first + second) * np.ones_like(scale)
    return positive(parts[0]) * scale if name == "negative-binomial" else parts[0] * scale


def positive(raw: Floats) -> Floats:
    """Return the softplus of the output, and a little more."""
    return _softplus(raw) + np.float32(LEAST)


def _softplus(raw: Floats) -> Floats:
    # several times as fast as logaddexp
    found: Floats = np.log1p(np.exp(-np.abs(raw))) + np.maximum(raw, 0)
    return found


def _parts(raw: Floats) -> tuple[Floats, ...]:
    return tuple(raw[..., column] for column in range(raw.shape[-1]))


def _gaussian(raw: tuple[Floats, ...], scale: Floats, generator: np.random.Generator) -> NDArray[np.floating]:
    return (raw[0] + positive(raw[1]) * generator.standard_normal(raw[0].shape, np.float32)) * scale


def _student_t(raw: tuple[Floats, ...], scale: Floats, generator: np.random.Generator) -> NDArray[np.floating]:
    half = 1 + _softplus(raw[2]) / 2
    noise = generator.standard_normal(half.shape, np.float32)
    noise *= np.sqrt(half / np.maximum(generator.standard_gamma(half, dtype=np.float32), np.float32(1e-30)))
    return (raw[0] + positive(raw[1]) * noise) * scale


def _beta(raw: tuple[Floats, ...], _: Floats, generator: np.random.Generator) -> NDArray[np.floating]:
    return generator.beta(positive(raw[0]), positive(raw[1]))


def _negative_binomial(raw: tuple[Floats, ...], scale: Floats, generator: np.random.Generator) -> NDArray[np.floating]:
    number = np.sqrt(scale) / positive(raw[1])
    rate = generator.standard_gamma(number) * (positive(raw[0]) * scale / number)
    return generator.poisson(np.minimum(rate, _MOST_COUNTS)).astype(np.float32)


def _deterministic(raw: tuple[Floats, ...], scale: Floats, _: np.random.Generator) -> NDArray[np.floating]:
    return raw[0] * scale


_DRAWS: dict[LikelihoodName, Draw] = {
    "gaussian": _gaussian,
    "student-T": _student_t,
    "beta": _beta,
    "negative-binomial": _negative_binomial,
    "deterministic-L1": _deterministic,
}
