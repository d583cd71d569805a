"""Training a network: from a task and a plan to the weights of the best epoch, on all devices of all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import PlatformError
from sagecask.neural.devices import devices
from sagecask.neural.loop import Fitted, Loop
from sagecask.neural.randomness import deterministic
from sagecask.neural.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from sagecask.algorithm import Job
    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task

__all__ = ["Fitted", "fit"]


def fit(task: Task, plan: Plan, job: Job[Any], on: Sequence[torch.device] | None = None) -> Fitted:
    """Train a task's module on all of the job's hosts; every host returns the same.

    Parameters
    ----------
    on : devices of this host, by default the job's GPUs or the CPU; with several each has a process of its own

    Raises
    ------
    UserError : the loss is no finite number in the first epoch, or the GPU's memory is too small
    ModelDataError : there is a checkpoint of another training
    PlatformError : a checkpoint cannot be written, another process has ended, the GPU's driver is too old
    AlgorithmError : a process has ended without a word
    TrainingStopped : a stop signal came before the first mini-batch was done
    """
    places = list(on or devices(job.gpus))
    _check_alike(places, job)
    if len(places) > 1:
        # what only several processes need takes its time to import
        from sagecask.neural.launch import fit_on  # noqa: PLC0415

        return fit_on(places, task, plan, job)
    with deterministic():
        return Loop(task, plan, World(job.cluster, places[0], job.report), job.checkpoints, job.stop_requested).run()


def _check_alike(places: Sequence[torch.device], job: Job[Any]) -> None:
    """Refuse hosts whose devices differ, which could not exchange gradients."""
    gpus = sum(place.type == "cuda" for place in places)
    counts = [found.tolist() for found in job.cluster.gather(np.array([len(places), gpus]))]
    if any(count != counts[0] for count in counts):
        got = ", ".join(f"{count} {'GPU' if on_gpu else 'CPU'}" for count, on_gpu in counts)
        raise PlatformError(f"{job.cluster.current}: every host must have equally many GPUs; got {got}")
