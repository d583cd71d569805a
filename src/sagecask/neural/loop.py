"""The epoch loop: mini-batches, what is watched, early stopping, the best epoch's weights, metric lines."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from sagecask.errors import AlgorithmError, TrainingStopped, UserError
from sagecask.neural.compiler import uncompiled
from sagecask.neural.randomness import random_state, seed_epoch, seed_module, set_random_state
from sagecask.neural.resuming import Resuming
from sagecask.neural.state import Interrupted, State
from sagecask.neural.steps import Diverged, Steps, Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from sagecask.checkpoints import Checkpoints
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

    def __init__(
        self, task: Task, plan: Plan, world: World, checkpoints: Checkpoints, stop_requested: Callable[[], bool]
    ) -> None:
        self._task = task
        self._plan = plan
        self._world = world
        self._stop_requested = stop_requested
        seed_module(plan.seed)
        self._module = task.module().to(world.device)
        world.align(self._module, weights=True)
        optimizer = uncompiled(plan.optimizer, self._module.parameters())
        schedule = plan.schedule(optimizer) if plan.schedule else None
        self._steps = Steps(task, plan, world, self._module, optimizer, schedule)
        self._state = State(self._module, optimizer, schedule, self._steps.scaler)
        self._resuming = Resuming(checkpoints, world, self._state, plan)

    def run(self) -> Fitted:
        """Train until all epochs are done, patience is at its end, or a stop is asked for.

        Raises
        ------
        UserError : the loss is no finite number in the first epoch, or the GPU's memory is too small
        ModelDataError : there is a checkpoint of another training
        PlatformError : a checkpoint cannot be written
        PeerLost : another process has ended
        TrainingStopped : a stop signal came before the first mini-batch was done
        """
        self._resuming.restore()
        stopped = False
        while not stopped and not self._state.progress.finished(self._plan):
            if self._world.part.size == 1 and self._stop_requested():
                stopped = True
                break
            try:
                stopped = not self._epoch()
            except Diverged as error:
                self._diverged(error)
                break
            except torch.OutOfMemoryError as error:
                raise UserError(
                    "training: the network and a mini-batch must fit into the GPU's memory; got too large ones: a "
                    "lower mini_batch_size helps"
                ) from error
        progress = self._state.progress
        if progress.best_epoch is None:
            return self._unfinished()
        _log.info("epoch %d is the best of %d: %r", progress.best_epoch, progress.epochs, progress.best)
        return Fitted(_on_cpu(self._state.best), progress.best_epoch, progress.best, progress.epochs, stopped)

    def _unfinished(self) -> Fitted:
        """Return the weights of a first epoch that was stopped in its middle."""
        if not self._steps.sums.batches:
            raise TrainingStopped
        return Fitted(_on_cpu(self._state.weights()), None, self._steps.sums.mean, 0, stopped=True)

    def _epoch(self) -> bool:
        """Train and judge one epoch; return whether to go on."""
        progress, start = self._state.progress, time.perf_counter()
        epoch = progress.epochs
        if not self._batches(epoch):
            return False
        seconds = time.perf_counter() - start
        if not all(bool(parameter.isfinite().all()) for parameter in self._module.parameters()):
            raise Diverged
        self._world.align(self._module, weights=False)
        watched = self._watched(epoch)
        if progress.update(watched, self._plan.tolerance):
            self._state.keep()
        self._steps.end_epoch(watched)
        self._resuming.save()
        self._say(epoch, seconds)
        return not self._steps.sums.stop

    def _batches(self, epoch: int) -> bool:
        """Go through an epoch's mini-batches, unless asked to stop; return whether all were seen."""
        plan = self._plan
        for index, batch in self._rest(epoch):
            stop = self._stop_requested()
            self._steps.step(batch, stop=stop)
            if plan.batches_per_line and index % plan.batches_per_line == 0:
                loss = self._steps.look()
                self._world.report.quality("train", plan.loss_name, "loss", loss, epoch=epoch, batch=index)
            if stop and self._world.part.size == 1:
                self._steps.look()
            if self._steps.sums.stop:
                self._interrupt(index + 1)
                return False
        self._steps.look()
        if not self._steps.sums.batches:
            raise AlgorithmError("training: an epoch must have a mini-batch at least; got none")
        return True

    def _rest(self, epoch: int) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
        """Begin an epoch, or go back to where it was interrupted; yield number and content of the mini-batches left."""
        part, before = self._world.part, self._state.interrupted
        generator = seed_epoch(self._plan.seed, epoch, part)
        batches = iter(self._task.batches(epoch, generator, part))
        if before is None:
            self._steps.start_epoch(Sums())
            yield from enumerate(batches)
            return
        self._state.interrupted = None
        self._steps.start_epoch(Sums(*before.sums, before.batches))
        for _ in islice(batches, before.batches):
            # trained on already
            continue
        if len(before.random) == part.size:
            set_random_state(self._world.device, before.random[part.rank])
        yield from enumerate(batches, before.batches)

    def _interrupt(self, batches: int) -> None:
        """Keep what is done of an epoch for the job's next start."""
        sums = self._steps.sums
        random = self._world.gather(random_state(self._world.device))
        self._state.interrupted = Interrupted(batches, (sums.loss, sums.weight, sums.records), random)
        self._resuming.save()

    def _watched(self, epoch: int) -> float:
        self._module.eval()
        with torch.no_grad():
            value = self._task.validate(self._module, epoch, self._world)
        return self._steps.sums.mean if value is None else value

    def _say(self, epoch: int, seconds: float) -> None:
        report, sums = self._world.report, self._steps.sums
        report.quality("train", self._plan.loss_name, "loss", sums.mean, epoch=epoch)
        report.progress(epoch + 1, self._plan.epochs)
        report.throughput(sums.records / self._world.hosts / max(seconds, 1e-9))

    def _diverged(self, error: Diverged) -> None:
        """Fall back on the best epoch, or say what is wrong where there is none."""
        epoch, best = self._state.progress.epochs, self._state.progress.best_epoch
        if best is None:
            raise UserError(
                f"training, epoch {epoch}, mini-batch {self._steps.sums.batches - 1}: the loss must be a finite "
                "number; got another: learning_rate may be too high, or a value of the data too large"
            ) from error
        _log.warning(
            "epoch %d: the loss is no finite number any more, learning_rate may be too high: training ends with the "
            "weights of epoch %d", epoch, best,
        )  # fmt: skip


def _on_cpu(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in weights.items()}
