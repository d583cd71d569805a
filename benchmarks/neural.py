"""The epoch loop of networks: what it costs beside the bare steps of torch, and what a checkpoint costs.

`loop` is CPU time of `fit`, `bare` that of forward, backward, clipping and Adam's step over the same mini-batches, by
turns; the medians of BENCH_REPEATS are shown. Both run on one thread, as others on the cores disturb more of them most.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sagecask.algorithm import Job
from sagecask.checkpoints import Checkpoints
from sagecask.cluster import Cluster
from sagecask.neural.compiler import uncompiled
from sagecask.neural.fit import fit
from sagecask.neural.plan import Plan
from sagecask.neural.resuming import Resuming
from sagecask.neural.state import State
from sagecask.neural.task import Part, Task
from sagecask.neural.world import World
from sagecask.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
BATCHES, EPOCHS, CLIP = 20, 4, 10.0
ADAM = partial(torch.optim.Adam, lr=1e-3)


class Recurrent(nn.Module):
    """Two layers of 40 LSTM cells over 60 steps of 20 features."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(20, 40, 2, batch_first=True)
        self.head = nn.Linear(40, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (n, 1)."""
        hidden, _ = self.cells(rows.view(len(rows), 60, 20))
        return self.head(hidden[:, -1])


def dense() -> nn.Module:
    """Return three layers on 1,200 features."""
    return nn.Sequential(nn.Linear(1200, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


@dataclass(frozen=True)
class Same(Task):
    """The same mini-batches of 64 rows in each epoch."""

    make: Callable[[], nn.Module]
    data: list[tuple[torch.Tensor, torch.Tensor]]

    def module(self) -> nn.Module:
        return self.make()

    def batches(self, epoch: int, generator: np.random.Generator, part: Part) -> Iterator[tuple[torch.Tensor, ...]]:  # noqa: ARG002
        yield from self.data

    def loss(self, module: nn.Module, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        return ((module(batch[0]) - batch[1]) ** 2).sum(), torch.tensor(float(len(batch[0])))


def rows() -> Iterator[dict[str, Any]]:
    """Yield the loop beside the bare steps, then the cost of checkpoints."""
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal((64, 1200), np.float32) for _ in range(BATCHES)]
    data = [(torch.from_numpy(array), torch.from_numpy(array[:, :1].copy())) for array in arrays]
    for name, make in (("dense, 3 layers", dense), ("LSTM, 2 x 40, 60 steps", Recurrent)):
        task = Same(make, data)
        turns = [(bare(task), loop(task)) for _ in range(REPEATS)]
        seconds, size = checkpoint(make())
        steps = EPOCHS * BATCHES
        yield {
            "network": name,
            "bare, ms a step": 1e3 * statistics.median(turn[0] for turn in turns) / steps,
            "loop, ms a step": 1e3 * statistics.median(turn[1] for turn in turns) / steps,
            "loop / bare": statistics.median(turn[1] / turn[0] for turn in turns),
            "checkpoint, ms": 1e3 * seconds,
            "checkpoint, KB": size / 1e3,
        }


def bare(task: Same) -> float:
    """Return CPU seconds of the steps alone."""
    module = task.module()
    optimizer = uncompiled(ADAM, module.parameters())
    start = time.process_time()
    for _ in range(EPOCHS):
        for batch in task.data:
            optimizer.zero_grad()
            loss, weight = task.loss(module, batch)
            (loss / weight).backward()
            nn.utils.clip_grad_norm_(module.parameters(), CLIP)
            optimizer.step()
    return time.process_time() - start


def loop(task: Same) -> float:
    """Return CPU seconds of a fit."""
    job = Job(
        hyperparameters=None,
        channels={},
        cluster=Cluster(("localhost",), "localhost"),
        checkpoints=Checkpoints(None),
        report=Report(stream=io.StringIO()),
        output_data=Path(),
        gpus=0,
        stop_requested=lambda: False,
        save=lambda _model: None,
        available_memory=lambda: None,
    )
    plan = Plan(EPOCHS, ADAM, gradient_clip=CLIP, batches_per_line=5)
    start = time.process_time()
    fit(task, plan, job)
    return time.process_time() - start


def checkpoint(module: nn.Module) -> tuple[float, int]:
    """Return CPU seconds and bytes of a checkpoint whose best epoch is an older one."""
    optimizer = uncompiled(ADAM, module.parameters())
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = State(module, optimizer, None, torch.amp.GradScaler(enabled=False))
    state.keep()
    for value in (1.0, 2.0):
        state.progress.update(value, 0.0)
    world = World(Cluster(("localhost",), "localhost"), torch.device("cpu"), Report())
    with tempfile.TemporaryDirectory() as name:
        resuming = Resuming(Checkpoints(Path(name)), world, state, Plan(1, ADAM))
        start = time.process_time()
        for _ in range(REPEATS):
            resuming.save()
        return (time.process_time() - start) / REPEATS, max(path.stat().st_size for path in Path(name).iterdir())
