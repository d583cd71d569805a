"""One of several processes that train together on a host: started by `launch`, it trains and says how it ended."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from sagecask import logs
from sagecask.errors import SagecaskError, TrainingStopped
from sagecask.neural.loop import Loop
from sagecask.neural.parcel import unpack
from sagecask.neural.randomness import deterministic
from sagecask.neural.world import World
from sagecask.report import Report, SilentReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sagecask.checkpoints import Checkpoints
    from sagecask.cluster import Cluster
    from sagecask.neural.loop import Fitted
    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the processes of a host get.

    clusters, devices : one for each process
    """

    task: Task
    plan: Plan
    checkpoints: Checkpoints
    clusters: Sequence[Cluster]
    devices: Sequence[torch.device]


class Orders:
    """What the parent says through standard input: any byte asks to stop, its end ends this process at once."""

    def __init__(self) -> None:
        self._stop = False
        threading.Thread(target=self._listen, daemon=True).start()

    def __call__(self) -> bool:
        return self._stop

    def _listen(self) -> None:
        while os.read(0, 1):
            self._stop = True
        # without the parent nobody would take what is learned
        os._exit(3)


def main(number: int, folder: Path, descriptor: int) -> int:
    """Train as process `number` of this host, write the outcome into `folder`, and return the exit code."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    stop_requested = Orders()
    logs.configure(os.environ)
    if number:
        logging.getLogger().setLevel(logging.WARNING)
    assignment: Assignment = unpack(descriptor)
    cluster = assignment.clusters[number]
    try:
        answer = _answer(assignment, number, stop_requested, folder)
        # before the others notice that this process has gone
        (folder / f"{number}.json").write_text(json.dumps(answer), encoding="utf-8")
    finally:
        cluster.abandon()
    return 0


def _answer(assignment: Assignment, number: int, stop_requested: Orders, folder: Path) -> dict[str, Any]:
    """Return what `Fitted` has beside the weights, or the name of an error and its message."""
    try:
        fitted = _train(assignment, number, stop_requested)
        assignment.clusters[number].leave()
    except (SagecaskError, TrainingStopped) as error:
        return {"error": type(error).__name__, "message": str(error)}
    if number == 0:
        save_file(fitted.weights, folder / "weights.safetensors")
    return {"epoch": fitted.epoch, "loss": fitted.loss, "epochs": fitted.epochs, "stopped": fitted.stopped}


def _train(assignment: Assignment, number: int, stop_requested: Orders) -> Fitted:
    device, cluster = assignment.devices[number], assignment.clusters[number]
    if device.type == "cuda":
        torch.cuda.set_device(device)
    world = World(cluster, device, SilentReport() if number else Report(cluster.current))
    with deterministic():
        return Loop(assignment.task, assignment.plan, world, assignment.checkpoints, stop_requested).run()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
