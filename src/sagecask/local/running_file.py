"""A file beside an endpoint's YAML that tells other commands which process serves it, and what became of a change."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Self

from sagecask.errors import UsageError, UserError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

POLL_SECONDS = 0.1
# of starting the new servers: as long as the platform gives a container
CHANGE_SECONDS = 600


class RunningFile:
    """Locked for as long as the endpoint runs, so that what a killed process left behind is known as such."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._path = _place(config)
        self._changes = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise UsageError(f"{self._config}: must be served by one process; got another that serves it") from error
        self._write(None, ready=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()

    def ready(self) -> None:
        """Say that the endpoint answers."""
        self._write(None, ready=True)

    def changed(self, fault: str | None) -> None:
        """Say that a change was made, or why not."""
        self._changes += 1
        self._write(fault, ready=True)

    def _write(self, fault: str | None, *, ready: bool) -> None:
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "ready": ready, "changes": self._changes, "fault": fault}, self._file)
        self._file.flush()


def change_running(config: Path) -> int:
    """Have the process that serves `config` read it anew, and wait until it has done so; return 0.

    Raises
    ------
    UsageError : no process serves it
    UserError : the endpoint stays as it was; says why
    """
    before = _state(config)
    if not before["ready"]:
        raise UserError(f"{config}: the endpoint must have started before it can be changed; got one that starts")
    os.kill(before["pid"], signal.SIGHUP)
    deadline = time.monotonic() + CHANGE_SECONDS
    while time.monotonic() < deadline:
        state = _state(config)
        if state["changes"] > before["changes"]:
            if state["fault"]:
                raise UserError(f"the endpoint stays as it was: {state['fault']}")
            return 0
        time.sleep(POLL_SECONDS)
    raise UserError(f"{config}: the endpoint must change within {CHANGE_SECONDS} s; got no word")


def _state(config: Path) -> dict[str, Any]:
    try:
        with _place(config).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _read(config)
    except FileNotFoundError:
        pass
    raise UsageError(f"{config}: must be served by `sagecask endpoint --config`; got no process that serves it")


def _read(config: Path) -> dict[str, Any]:
    # it may be in the middle of being written
    for _ in range(50):
        try:
            state = json.loads(_place(config).read_text(encoding="utf-8"))
        except ValueError:
            time.sleep(POLL_SECONDS)
            continue
        if isinstance(state, dict):
            return state
    raise UserError(f"{config}: the file of the running endpoint must hold its state; got none")


def _place(config: Path) -> Path:
    return config.with_name(f".{config.name}.running")
