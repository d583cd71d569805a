"""Training a network: from a task and a plan to the weights of the best epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from sagecask.neural.loop import Fitted, Loop
from sagecask.neural.randomness import deterministic
from sagecask.neural.world import World

if TYPE_CHECKING:
    from sagecask.algorithm import Job
    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task

__all__ = ["Fitted", "fit"]


def fit(task: Task, plan: Plan, job: Job[Any]) -> Fitted:
    """Train a task's module on all of the job's hosts and GPUs.

    Raises
    ------
    UserError : the loss is no finite number in the first epoch
    ModelDataError : there is a checkpoint of another training
    PlatformError : a checkpoint cannot be written, or another process has ended
    TrainingStopped : a stop signal came before the first mini-batch was done
    """
    world = World(job.cluster, torch.device("cpu"), job.report)
    with deterministic():
        return Loop(task, plan, world, job.checkpoints, job.stop_requested).run()
