"""Noise models: parameters from the network's output, log-likelihood, draws (Salinas et al., DeepAR, 2020, section 3.1).

Values are divided by the series' scale before the network and multiplied by it after; densities are those of the
unscaled values, so that losses of different series add up to the likelihood of the data.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch.nn.functional import softplus

SMALLEST = 1e-6


class Likelihood(ABC):
    """One noise model; `raw` is (..., outputs), `scale` broadcasts against (...)."""

    outputs: ClassVar[int]

    @abstractmethod
    def loss(self, raw: torch.Tensor, value: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return the negative log-likelihood of each value."""

    @abstractmethod
    def draw(self, raw: torch.Tensor, scale: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return one value for each position."""


class Gaussian(Likelihood):
    outputs = 2

    def loss(self, raw: torch.Tensor, value: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        deviation = (softplus(raw[..., 1]) + SMALLEST) * scale
        distance = (value - raw[..., 0] * scale) / deviation
        return 0.5 * distance**2 + torch.log(deviation) + 0.5 * math.log(2 * math.pi)

    def draw(self, raw: torch.Tensor, scale: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(raw.shape[:-1], generator=generator, device=raw.device)
        return (raw[..., 0] + (softplus(raw[..., 1]) + SMALLEST) * noise) * scale


class StudentT(Likelihood):
    """With more than two degrees of freedom, so that the variance is finite."""

    outputs = 3

    @staticmethod
    def _parameters(raw: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return raw[..., 0] * scale, (softplus(raw[..., 1]) + SMALLEST) * scale, 2 + softplus(raw[..., 2])

    def loss(self, raw: torch.Tensor, value: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        location, width, freedom = self._parameters(raw, scale)
        distance = (value - location) / width
        normaliser = (
            torch.log(width)
            + 0.5 * torch.log(freedom * math.pi)
            + torch.lgamma(freedom / 2)
            - torch.lgamma((freedom + 1) / 2)
        )
        return 0.5 * (freedom + 1) * torch.log1p(distance**2 / freedom) + normaliser

    def draw(self, raw: torch.Tensor, scale: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        location, width, freedom = self._parameters(raw, scale)
        noise = torch.randn(location.shape, generator=generator, device=raw.device)
        chi = 2 * torch._standard_gamma(freedom / 2, generator=generator)
        return location + width * noise * torch.rsqrt(torch.clamp(chi / freedom, min=SMALLEST))
