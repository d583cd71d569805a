"""Gradients of one module, averaged over the rows of all processes in one exchange a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sagecask.neural.world import World


class Gradients:
    """The gradients of a module's parameters; with several processes they lie in one buffer, followed by the sums.

    So loss, weight, records and the wish to stop travel with the gradients.
    """

    def __init__(self, module: nn.Module, world: World) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._world = world
        self._flat: Tensor | None = None
        if world.part.size > 1:
            self._lay_out()

    def clear(self) -> None:
        """Forget the gradients of the step before."""
        if self._flat is not None:
            self._flat.zero_()
            return
        for parameter in self.parameters:
            parameter.grad = None

    def exchange(self, loss: Tensor, weight: Tensor, records: int, *, stop: bool) -> Tensor:
        """Make gradients of this part's mean those of the mean over all parts.

        Returns
        -------
        sums : (4,) float32 of loss, weight, records and processes that ask to stop, over all processes
        """
        counts = torch.tensor([records, stop], dtype=torch.float32, device=weight.device)
        sums = torch.cat([torch.stack([loss, weight]), counts])
        if self._flat is None:
            return sums
        gradients = self._flat[:-4]
        gradients.mul_(weight)
        self._flat[-4:] = sums
        self._world.sum(self._flat)
        sums = self._flat[-4:].clone()
        gradients.div_(torch.where(sums[1] > 0, sums[1], 1))
        return sums

    def _lay_out(self) -> None:
        total = sum(parameter.numel() for parameter in self.parameters)
        self._flat = torch.zeros(total + 4, dtype=torch.float32, device=self._world.device)
        start = 0
        for parameter in self.parameters:
            end = start + parameter.numel()
            parameter.grad = self._flat[start:end].view_as(parameter)
            start = end
