"""The other end of Pipe mode for tests: processes that feed the FIFOs of a job directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sagecask.testing.job_directory import JobDirectory

# one FIFO after the other, each fed once somebody reads it; a reader that closes early ends `cat` alone
_FEED = """
fifo=$1; shift; epoch=0
while mkfifo "${fifo}_$epoch"; do cat "$@" > "${fifo}_$epoch"; epoch=$((epoch + 1)); done
"""


@contextmanager
def fed(job: JobDirectory) -> Iterator[None]:
    """Set every channel of a job to Pipe mode, and feed its files, sorted by name, from a process each."""
    job.input_mode("Pipe")
    with ExitStack() as stack:
        for name in json.loads(job.paths.input_data_config.read_text()):
            folder = job.paths.channel(name)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            stack.enter_context(feeding(folder, files))
        yield


@contextmanager
def feeding(fifo: Path, files: list[Path]) -> Iterator[None]:
    """Feed files into FIFO_0, FIFO_1 and so on, as long as epochs are read."""
    command = ["sh", "-c", _FEED, "feed", str(fifo), *map(str, files)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        # the shell and the `cat` that waits for a reader
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in fifo.parent.glob(f"{fifo.name}_*"):
            path.unlink()
