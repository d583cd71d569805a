"""A training job on several hosts of this machine: their names and network, and all of them as one running job."""

from __future__ import annotations

import importlib
import shutil
import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from sagecask.errors import PlatformError
from sagecask.local.container import LABEL, engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sagecask.contract.paths import Paths
    from sagecask.local.process import Running


def host_names(count: int, *, containers: bool) -> tuple[str, ...]:
    """Return names that resolve, sorted as text.

    Containers are `algo-1` and so on in a network of their own; processes share this machine's names, so several of
    them are addresses of its loopback interface.
    """
    form = "algo-{}" if containers or count == 1 else "127.0.0.{}"
    return tuple(sorted(form.format(number) for number in range(1, count + 1)))


@contextmanager
def network(name: str) -> Iterator[str]:
    """Make a network of the engine in which containers find one another by name, and remove it at the end.

    Raises
    ------
    PlatformError : the engine cannot make it
    """
    client = engine()
    errors = importlib.import_module("docker.errors")
    try:
        made = client.networks.create(name, labels={LABEL: "true"})
    except errors.APIError as error:
        raise PlatformError(f"engine: must create a network; got {error.explanation}") from error
    try:
        yield name
    finally:
        made.remove()
        client.close()


GRACE_SECONDS = 5
"""What is left to the other hosts once one has failed."""


class Hosts:
    """Every host's job as one: lines of all as they come, each behind its host's name; the end of all is its end.

    A host that fails ends the others, as on the platform.
    """

    def __init__(self, jobs: Mapping[str, Running]) -> None:
        self._jobs = jobs
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self.codes: dict[str, int] = {}

    def lines(self) -> Iterator[str]:
        readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._jobs]
        for reader in readers:
            reader.start()
        for _ in readers:
            while (line := self._lines.get()) is not None:
                yield line

    def _read(self, name: str) -> None:
        try:
            for line in self._jobs[name].lines():
                self._lines.put(f"{name} | {line}")
            self.codes[name] = self._jobs[name].wait()
            if self.codes[name]:
                # those that have met it notice by themselves; others would wait for it
                self.stop()
                end = threading.Timer(GRACE_SECONDS, self.kill)
                end.daemon = True
                end.start()
        finally:
            self._lines.put(None)

    def stop(self) -> None:
        for job in self._jobs.values():
            job.stop()

    def kill(self) -> None:
        for job in self._jobs.values():
            job.kill()

    def wait(self) -> int:
        """Return 0, or the code that says most: a fault of the user's before those that it led to on other hosts."""
        codes = [job.wait() for job in self._jobs.values()]
        return min((code for code in codes if code), default=0)

    def remove(self) -> None:
        for job in self._jobs.values():
            job.remove()


def merge(hosts: Sequence[Paths], whole: Paths) -> None:
    """Bring the models and output data of all hosts together, where the first host's files win (contract 5.3)."""
    for paths in reversed(hosts):
        shutil.copytree(paths.model, whole.model, dirs_exist_ok=True)
        shutil.copytree(paths.output_data, whole.output_data, dirs_exist_ok=True)
