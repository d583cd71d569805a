"""What an algorithm says of its network: the module, an epoch's mini-batches, the loss, and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor, nn

    from sagecask.neural.world import World


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of every mini-batch a process takes.

    rank : this process's number, from 0
    size : processes on all hosts together
    """

    rank: int = 0
    size: int = 1

    def of(self, n_rows: int) -> slice:
        """Return this process's rows out of a mini-batch of so many.

        Parts differ by one row at most; the first process has a row where there is one.
        """
        return slice(-(-self.rank * n_rows // self.size), -(-(self.rank + 1) * n_rows // self.size))


class Task(ABC):
    """One network to be trained; each process has a copy, so a task must be picklable where a host has several GPUs."""

    @abstractmethod
    def module(self) -> nn.Module:
        """Return the module with its first weights; called once in each process, with equal random state."""

    @abstractmethod
    def batches(self, epoch: int, generator: np.random.Generator, part: Part) -> Iterator[tuple[Tensor, ...]]:
        """Yield this process's part of every mini-batch of an epoch, on the CPU, rows on the first axis.

        All processes must yield equally often; a part may have no rows.

        Parameters
        ----------
        generator : equal in all processes, and a new one each epoch; all that is drawn at random comes from it
        """

    @abstractmethod
    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the sum of the rows' losses and the sum of their weights, of no dimension both.

        `batch` is on the module's device. What is minimised is the sum of losses over the sum of weights, each over
        the parts of all processes.
        """

    def validate(self, module: nn.Module, epoch: int, world: World) -> float | None:  # noqa: ARG002 - a default
        """Return what early stopping and the choice of the best epoch watch, less being better.

        Called after each epoch in every process, without gradients, the module in evaluation mode; all processes must
        return the same, which `world.sum` is for. None watches the epoch's training loss.
        """
        return None
