"""One mini-batch after the other: loss, gradients over all processes, clipping, and the optimizer's update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sagecask.neural.gradients import Gradients

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task
    from sagecask.neural.world import World

# steps between two looks at a GPU's sums, each of which waits for the GPU; a wish to stop waits for it too
_GPU_STEPS = 8


class Diverged(Exception):
    """The loss is no finite number any more."""


@dataclass
class Sums:
    """What the mini-batches of an epoch came to, over all processes."""

    loss: float = 0.0
    weight: float = 0.0
    records: float = 0.0
    batches: int = 0
    stop: bool = False

    @property
    def mean(self) -> float:
        """Loss of an average record."""
        return self.loss / self.weight if self.weight else math.nan


class Steps:
    """Updates one module."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        world: World,
        module: nn.Module,
        optimizer: Optimizer,
        schedule: LRScheduler | None,
    ) -> None:
        self._task = task
        self._world = world
        self._module = module
        self._optimizer = optimizer
        self._clip = plan.gradient_clip
        self._gradients = Gradients(module, world)
        self._half = _half(plan.mixed_precision) if world.device.type == "cuda" else None
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=self._half is torch.float16)
        self._schedule = schedule
        self._per_batch = plan.schedule_per == "batch"
        self._look_every = _GPU_STEPS if world.device.type == "cuda" else 1
        self._pending: list[Tensor] = []
        self._latest = math.nan
        self.sums = Sums()

    def start_epoch(self, sums: Sums) -> None:
        """Begin an epoch, with the sums of what is done of it."""
        self._module.train()
        self._pending.clear()
        self.sums = sums

    def step(self, batch: tuple[Tensor, ...], *, stop: bool) -> None:
        """Update the weights by one mini-batch; `stop` asks all processes to stop once it is done.

        Raises
        ------
        Diverged : the loss is no finite number
        """
        self._gradients.clear()
        loss, weight = self._backward(batch)
        sums = self._gradients.exchange(loss, weight, len(batch[0]), stop=stop)
        self._update()
        self._pending.append(sums)
        self.sums.batches += 1
        if self.sums.batches % self._look_every == 0:
            self.look()

    def end_epoch(self, watched: float) -> None:
        """Step a schedule of epochs, which may look at what was watched."""
        if self._schedule is None or self._per_batch:
            return
        if isinstance(self._schedule, ReduceLROnPlateau):
            self._schedule.step(watched)
        else:
            self._schedule.step()

    def look(self) -> float:
        """Bring `sums` up to date; return the loss of the latest mini-batch."""
        for loss, weight, records, stop in torch.stack(self._pending).tolist() if self._pending else []:
            if not math.isfinite(loss):
                raise Diverged
            self.sums.loss += loss
            self.sums.weight += weight
            self.sums.records += records
            self.sums.stop |= stop > 0
            self._latest = loss / weight if weight else math.nan
        self._pending.clear()
        return self._latest

    def _backward(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Leave the gradients of this part's mean loss; return its sums of losses and weights."""
        device = self._world.device
        if not len(batch[0]):
            return torch.zeros((), device=device), torch.zeros((), device=device)
        batch = tuple(tensor.to(device, non_blocking=True) for tensor in batch)
        with torch.autocast(device.type, dtype=self._half, enabled=self._half is not None):
            loss, weight = self._task.loss(self._module, batch)
        weight = weight.detach().to(device, torch.float32)
        mean = loss / torch.where(weight > 0, weight, 1)
        self.scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
        return loss.detach().float(), weight

    def _update(self) -> None:
        if self._clip is not None:
            self.scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self._gradients.parameters, self._clip)
        self.scaler.step(self._optimizer)
        scale = self.scaler.get_scale()
        self.scaler.update()
        # a step whose gradients were too large for float16 was left out
        taken = not self.scaler.is_enabled() or self.scaler.get_scale() >= scale
        if self._schedule is not None and self._per_batch and taken:
            self._schedule.step()


def _half(wanted: bool | torch.dtype) -> torch.dtype | None:
    if isinstance(wanted, torch.dtype):
        return wanted
    if not wanted:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
