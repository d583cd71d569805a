"""A network of a few weights that learns a bent line, and does what a test wants to go wrong."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import nn

from sagecask.algorithm import Algorithm, Declaration, Inference, Model, Training
from sagecask.errors import UserError
from sagecask.hyperparameters import Hyperparameters, hyperparameter
from sagecask.neural.fit import fit
from sagecask.neural.plan import Plan
from sagecask.neural.task import Part, Task
from sagecask.neural.weights import save_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.neural.fit import Fitted
    from sagecask.neural.world import World

ROWS, BATCH = 50, 16
# of a job, which finds the algorithm by its entry point like any family's
ENVIRON = {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Bend(Task):
    """Rows (x, 2) float32; the last mini-batch of an epoch has two rows.

    trouble : what happens in the third mini-batch of the third epoch, in the process of rank `at`
    """

    rows: np.ndarray
    dropout: float = 0.0
    normalized: bool = False
    trouble: str = ""
    at: int = 0
    watched: tuple[float, ...] = ()

    def module(self) -> nn.Module:
        middle = nn.BatchNorm1d(8) if self.normalized else nn.Identity()
        return nn.Sequential(nn.Linear(2, 8), middle, nn.Tanh(), nn.Dropout(self.dropout), nn.Linear(8, 1))

    def batches(self, epoch: int, generator: np.random.Generator, part: Part) -> Iterator[tuple[torch.Tensor, ...]]:
        order = generator.permutation(len(self.rows))
        for number, start in enumerate(range(0, len(order), BATCH)):
            if (epoch, number, part.rank) == (2, 2, self.at):
                self._go_wrong()
            mine = order[start : start + BATCH]
            rows = torch.from_numpy(self.rows[mine[part.of(len(mine))]])
            yield rows, (rows.prod(dim=1, keepdim=True) + rows.sum(dim=1, keepdim=True).abs())

    def loss(self, module: nn.Module, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        features, targets = batch
        return ((module(features) - targets) ** 2).sum(), torch.tensor(float(len(features)))

    def validate(self, module: nn.Module, epoch: int, world: World) -> float | None:
        return self.watched[epoch] if self.watched else None

    def _go_wrong(self) -> None:
        if self.trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "stop":
            os.kill(os.getpid(), signal.SIGTERM)
        if self.trouble == "refuse":
            raise UserError('channel "train", part-0.csv, line 7: 2 columns; got 3')


def data() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((ROWS, 2)).astype(np.float32)


def plan(epochs: int = 5, **settings: object) -> Plan:
    learning_rate = float(settings.pop("learning_rate", 0.01))  # type: ignore[arg-type]
    return Plan(
        epochs,
        partial(torch.optim.Adam, lr=learning_rate),
        settings={"learning_rate": learning_rate},
        **settings,  # type: ignore[arg-type]
    )


def scheduled(epochs: int = 5, **settings: object) -> Plan:
    """Return a plan that uses all there is."""
    schedule = partial(torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, T_0=7)
    return replace(plan(epochs, **settings), schedule=schedule, schedule_per="batch", gradient_clip=0.5)


class TinyHyperparameters(Hyperparameters):
    epochs: int = hyperparameter(5, meaning="epochs")
    processes: int = hyperparameter(1, meaning="processes of each host")
    trouble: str = hyperparameter("", meaning="what goes wrong")
    at: int = hyperparameter(0, meaning="in the process of this rank")


class TinyModel(Model):
    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted

    def save(self, folder: Path) -> None:
        about = {"epoch": self.fitted.epoch, "stopped": self.fitted.stopped}
        save_weights(folder / "weights.safetensors", self.fitted.weights, about)

    def predict(self, batch, accept):
        raise AssertionError("nothing is served")


class TinyNetwork(Algorithm):
    """Trains `Bend` on so many CPU devices."""

    declaration: ClassVar = Declaration(
        name="tiny-network",
        title="Tiny network",
        family="tests",
        learning="supervised",
        source=(),
        channels=(),
        metrics=(),
        tunable=(),
        inference=Inference(("text/csv",), ("text/csv",), "text/csv"),
        training=Training(gpu="multi", multi_host=True, checkpoints=True),
    )

    @classmethod
    def hyperparameters(cls):
        return TinyHyperparameters

    def fit(self, job):
        given = job.hyperparameters
        # what is drawn at random differs with the number of processes
        dropout = 0.2 if job.cluster.size * given.processes == 1 else 0.0
        task = Bend(data(), dropout=dropout, trouble=given.trouble, at=given.at)
        return TinyModel(fit(task, scheduled(given.epochs), job, [torch.device("cpu")] * given.processes))

    def load(self, folder, settings):
        raise AssertionError("nothing is served")
