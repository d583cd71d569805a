"""Training on several devices of a host: one process each, watched by their parent, which waits for the outcome."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch.distributed as engine
from safetensors.torch import load_file

from sagecask import errors
from sagecask.contract import available_cpus, cause_of_death, out_of_memory_kills
from sagecask.neural.loop import Fitted
from sagecask.neural.parcel import Parcel
from sagecask.neural.process import Assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from sagecask.algorithm import Job
    from sagecask.cluster import Cluster
    from sagecask.neural.plan import Plan
    from sagecask.neural.task import Task

# how often the parent asks whether to stop
_POLL_SECONDS = 0.2
# the others of a process that has failed notice and end by themselves within this time
_GRACE_SECONDS = 10


def fit_on(devices: Sequence[torch.device], task: Task, plan: Plan, job: Job[Any]) -> Fitted:
    """Train with one process for each device of this host.

    Raises
    ------
    SagecaskError : what a process has raised
    AlgorithmError : a process has ended without a word
    TrainingStopped : as `Loop.run`
    """
    cluster, count = job.cluster, len(devices)
    # the store lives as long as the processes
    store = _store(cluster)
    port = np.array([store.port if store else 0], dtype=np.int64)
    cluster.broadcast(port)
    address = cluster.hosts[0] if cluster.size > 1 else "127.0.0.1"
    clusters = [
        replace(cluster, port=int(port[0]), process=number, processes=count, store=address) for number in range(count)
    ]
    with (
        Parcel(Assignment(task, plan, job.checkpoints, clusters, devices)) as parcel,
        tempfile.TemporaryDirectory(prefix="sagecask-") as name,
    ):
        crew = Crew(Path(name), parcel.descriptor, count)
        return crew.outcome(job.stop_requested)


def _store(cluster: Cluster) -> engine.TCPStore | None:  # type: ignore[name-defined]
    """Return where processes meet, at a port that the system chooses, kept by the first host's parent."""
    if not cluster.is_master:
        return None
    address = cluster.hosts[0] if cluster.size > 1 else "127.0.0.1"
    return engine.TCPStore(address, 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]


class Crew:
    """The processes of this host; none is left when `outcome` returns or raises."""

    def __init__(self, folder: Path, descriptor: int, count: int) -> None:
        self._folder = folder
        self._kills_before = out_of_memory_kills()
        threads = str(max(1, available_cpus() // count))
        path = os.pathsep.join(filter(None, sys.path))
        environ = {"OMP_NUM_THREADS": threads} | os.environ | {"PYTHONPATH": path}
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "sagecask.neural.process", str(number), str(folder), str(descriptor)],
                stdin=subprocess.PIPE,
                pass_fds=[descriptor],
                env=environ,
                # a terminal's Ctrl-C is for the parent, which passes it on
                process_group=0,
            )
            for number in range(count)
        ]
        self._cut_off: set[int] = set()

    def outcome(self, stop_requested: Callable[[], bool]) -> Fitted:
        """Wait for all processes, pass on the wish to stop, and return what they have learned.

        Raises
        ------
        SagecaskError, TrainingStopped : as `fit_on`
        """
        try:
            self._watch(stop_requested)
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
                _close(process)
        answers = [self._answer(number) for number in range(len(self._processes))]
        self._raise_first(answers)
        weights = load_file(self._folder / "weights.safetensors")
        return Fitted(weights=weights, **(answers[0] or {}))

    def _watch(self, stop_requested: Callable[[], bool]) -> None:
        told, deadline = False, float("inf")
        poll = select.poll()
        running = {os.pidfd_open(process.pid): number for number, process in enumerate(self._processes)}
        for descriptor in running:
            poll.register(descriptor, select.POLLIN)
        while running and time.monotonic() < deadline:
            if stop_requested() and not told:
                told = True
                self._tell_to_stop()
            for descriptor, _ in poll.poll(_POLL_SECONDS * 1000):
                number = running.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                self._processes[number].wait()
                if self._failed(number):
                    deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
        self._cut_off = set(running.values())
        for descriptor in running:
            os.close(descriptor)

    def _tell_to_stop(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            try:
                process.stdin.write(b"stop")
                process.stdin.flush()
            except BrokenPipeError:
                # it has just ended, which is seen next
                continue

    def _failed(self, number: int) -> bool:
        answer = self._answer(number)
        return answer is None or "error" in answer

    def _answer(self, number: int) -> dict[str, Any] | None:
        """Return what a process has written at its end, None where it could not."""
        try:
            text = (self._folder / f"{number}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _raise_first(self, answers: Sequence[dict[str, Any] | None]) -> None:
        """Raise what went wrong first: a death, then an error, then that of a process that lost another one."""
        for number, (process, answer) in enumerate(zip(self._processes, answers, strict=True)):
            if answer is None and number not in self._cut_off:
                raise errors.AlgorithmError(
                    f"training process {number} of {len(answers)}: must end by itself; got "
                    f"{self._cause(process.returncode)}"
                )
        failed = [answer for answer in answers if answer and "error" in answer]
        for answer in sorted(failed, key=lambda answer: answer["error"] == errors.PeerLost.__name__):
            raise getattr(errors, answer["error"])(answer["message"])

    def _cause(self, status: int) -> str:
        if status < 0:
            return cause_of_death(-status, killed_for_memory=out_of_memory_kills() > self._kills_before)
        return f"exit code {status}: the log has its traceback"


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.close()
    except BrokenPipeError:
        # what was still to be told has nobody to hear it
        return
