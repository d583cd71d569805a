"""A running average of a network's weights, which forecasts better than the weights of the last step.

Polyak and Juditsky, Acceleration of stochastic approximation by averaging, SIAM Journal on Control and Optimization
30(4), 1992; exponential here, so that the first steps are forgotten.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 0.995
PREFIX = "average."


class Averaged(nn.Module):
    """A network that is trained, and beside it the average of its weights, which is no part of what is trained."""

    steps: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network returns; in training, what the step before came to is taken into the average."""
        if self.training:
            self._take()
        total, weight = self.network(*batch)
        return total, weight

    @torch.no_grad()
    def _take(self) -> None:
        """Move the average by the share 1 - d towards the weights, d = min(0.995, (1 + t) / (10 + t)) of step t."""
        share = torch.clamp(9 / (10 + self.steps), min=1 - LONGEST)
        for average, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
            average.lerp_(weight, share)
        self.steps += 1


def averages(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the averaged weights out of the state of `Averaged`, by their names in the network."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}
