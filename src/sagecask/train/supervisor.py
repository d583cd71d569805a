"""The parent of the training process: passes SIGTERM on, and says why when the process dies without a word.

It imports only the standard library before its handlers are set, because a first process of a container ignores
signals without a handler (contract 19.21).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType

# SIGKILL follows SIGTERM after 120 s (contract 6.1); leave time to say what happened
GRACE_SECONDS = 110

_log = logging.getLogger(__name__)


class Supervisor:
    """Starts the training process, waits for it, and reaps what else falls to the first process of a container."""

    def __init__(self, command: list[str], environ: Mapping[str, str]) -> None:
        self._stopping = False
        self._child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # OpenMP's waiting threads spin by default, which on shared cores doubles the time of a job
        waiting = environ.get("OMP_WAIT_POLICY", "passive")
        self._child = subprocess.Popen(command, env={**environ, "OMP_WAIT_POLICY": waiting})
        if self._stopping:
            self._terminate()

    def wait(self) -> int:
        """Return the exit status of the child as `subprocess` counts it: negative for a signal."""
        assert self._child is not None
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self._child.pid:
                self._child.returncode = os.waitstatus_to_exitcode(status)
                return self._child.returncode

    @property
    def stopping(self) -> bool:
        """Whether SIGTERM or SIGINT has come."""
        return self._stopping

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            self._terminate()

    def _terminate(self) -> None:
        if self._child is None:
            return
        os.kill(self._child.pid, signal.SIGTERM)
        timer = threading.Timer(GRACE_SECONDS, os.kill, (self._child.pid, signal.SIGKILL))
        timer.daemon = True
        timer.start()


def main(root: Path, algorithm: str | None, environ: Mapping[str, str]) -> int:
    """Run one training job in a process of its own and return the exit code of the container."""
    command = [sys.executable, "-m", "sagecask.train.run", str(root), *([algorithm] if algorithm else [])]
    supervisor = Supervisor(command, environ)

    # the handlers come before all other imports
    from sagecask.contract import out_of_memory_kills  # noqa: PLC0415

    killed_before = out_of_memory_kills()
    status = supervisor.wait()
    if supervisor.stopping and -status in {signal.SIGTERM, signal.SIGINT}:
        # asked to stop before the training process could listen: nothing has been learned yet
        status = 0

    from sagecask import logs  # noqa: PLC0415
    from sagecask.contract import Paths, TrainingJob, cause_of_death, hand_over, write_failure  # noqa: PLC0415

    paths = Paths(root)
    if status < 0:
        logs.configure(environ)
        cause = cause_of_death(-status, killed_for_memory=out_of_memory_kills() > killed_before)
        late = f", {GRACE_SECONDS} s after it was asked to stop" if supervisor.stopping else ""
        message = f"training process: must end by itself; got {cause}{late}"
        _log.error("AlgorithmError: %s", message)
        write_failure(paths, "AlgorithmError", message)
        status = 3
    hand_over(paths, TrainingJob.checkpoint_folder(paths))
    return status
