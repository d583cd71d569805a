"""The epoch loop: mini-batches, what is watched, early stopping, the best epoch's weights, metric lines."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sagecask.errors import AlgorithmError, TrainingStopped, UserError
from sagecask.neural.progress import Progress
from sagecask.neural.randomness import seed_epoch, seed_module
from sagecask.neural.steps import Diverged, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.optim.lr_scheduler import LRScheduler

    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task
    from sagecask.neural.world import World

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training came to.

    weights : the module's state on the CPU, of the best epoch; the latest where none is complete
    epoch : the best epoch, from 0; None where none is complete
    loss : what was watched in that epoch; the mean training loss so far where none is complete
    epochs : epochs done
    stopped : whether a stop signal ended training
    """

    weights: dict[str, Tensor]
    epoch: int | None
    loss: float
    epochs: int
    stopped: bool


class Loop:
    """One training of one module, in one process."""

    def __init__(self, task: Task, plan: Plan, world: World, stop_requested: Callable[[], bool]) -> None:
        self._task = task
        self._plan = plan
        self._world = world
        self._stop_requested = stop_requested
        seed_module(plan.seed)
        self.module = task.module().to(world.device)
        self.optimizer = plan.optimizer(self.module.parameters())
        self.schedule = plan.schedule(self.optimizer) if plan.schedule else None
        self.steps = Steps(task, plan, world, self.module, self.optimizer)
        if plan.schedule_per == "batch":
            self.steps.schedule = self.schedule
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}

    def run(self) -> Fitted:
        """Train until all epochs are done, patience is at its end, or a stop is asked for.

        Raises
        ------
        UserError : the loss is no finite number in the first epoch
        TrainingStopped : a stop signal came before the first mini-batch was done
        """
        stopped = False
        while not stopped and not self.progress.finished(self._plan):
            try:
                stopped = not self._epoch()
            except Diverged as error:
                self._diverged(error)
                break
        if self.progress.best_epoch is None:
            return self._unfinished()
        weights = {name: tensor.cpu() for name, tensor in self.best.items()}
        _log.info("epoch %d is the best of %d: %r", self.progress.best_epoch, self.progress.epochs, self.progress.best)
        return Fitted(weights, self.progress.best_epoch, self.progress.best, self.progress.epochs, stopped)

    def _unfinished(self) -> Fitted:
        """Return the weights of a first epoch that was stopped in its middle."""
        if not self.steps.sums.batches:
            raise TrainingStopped
        weights = {name: tensor.cpu() for name, tensor in self._snapshot().items()}
        return Fitted(weights, None, self.steps.sums.mean, 0, stopped=True)

    def _epoch(self) -> bool:
        """Train and judge one epoch; return whether to go on."""
        epoch, start = self.progress.epochs, time.perf_counter()
        if not self._batches(epoch):
            return False
        seconds = time.perf_counter() - start
        if not all(bool(parameter.isfinite().all()) for parameter in self.module.parameters()):
            raise Diverged
        watched = self._watched(epoch)
        if self.progress.update(watched, self._plan.tolerance):
            self.best = self._snapshot()
        if self.schedule is not None and self._plan.schedule_per == "epoch":
            _step(self.schedule, watched)
        self._say(epoch, seconds)
        return not self.steps.sums.stop

    def _batches(self, epoch: int) -> bool:
        """Go through an epoch's mini-batches, unless asked to stop; return whether all were seen."""
        plan, part = self._plan, self._world.part
        generator = seed_epoch(plan.seed, epoch, part)
        self.steps.start()
        for index, batch in enumerate(self._task.batches(epoch, generator, part)):
            if part.size == 1 and self._stop_requested():
                return False
            self.steps.step(batch, stop=self._stop_requested())
            if plan.batches_per_line and index % plan.batches_per_line == 0:
                loss = self.steps.look()
                self._world.report.quality("train", plan.loss_name, "loss", loss, epoch=epoch, batch=index)
            if part.size > 1 and self.steps.sums.stop:
                return False
        self.steps.look()
        if not self.steps.sums.batches:
            raise AlgorithmError("training: an epoch must have a mini-batch at least; got none")
        return True

    def _watched(self, epoch: int) -> float:
        self.module.eval()
        with torch.no_grad():
            value = self._task.validate(self.module, epoch, self._world)
        return self.steps.sums.mean if value is None else value

    def _say(self, epoch: int, seconds: float) -> None:
        report, sums = self._world.report, self.steps.sums
        report.quality("train", self._plan.loss_name, "loss", sums.mean, epoch=epoch)
        report.progress(epoch + 1, self._plan.epochs)
        report.throughput(sums.records / self._world.hosts / max(seconds, 1e-9))

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}

    def _diverged(self, error: Diverged) -> None:
        """Fall back on the best epoch, or say what is wrong where there is none."""
        epoch, best = self.progress.epochs, self.progress.best_epoch
        if best is None:
            raise UserError(
                f"training, epoch {epoch}, mini-batch {self.steps.sums.batches - 1}: the loss must be a finite number; "
                "got another: learning_rate may be too high, or a value of the data too large"
            ) from error
        _log.warning(
            "epoch %d: the loss is no finite number any more, learning_rate may be too high: training ends with the "
            "weights of epoch %d", epoch, best,
        )  # fmt: skip


def _step(schedule: LRScheduler, watched: float) -> None:
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(watched)
    else:
        schedule.step()
