"""A command of sagecask as a child process of this machine, and what every running job or server offers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType


class Running(Protocol):
    """A training job or server that has been started, as a process or as a container."""

    def lines(self) -> Iterator[str]:
        """Yield standard output and standard error by line, without line ends, until both are closed."""

    def stop(self) -> None:
        """Send SIGTERM; nothing happens where it has ended."""

    def kill(self) -> None:
        """Send SIGKILL; nothing happens where it has ended."""

    def wait(self) -> int:
        """Wait for the end and return the exit code; 128 plus the signal's number for a death by signal."""

    def remove(self) -> None:
        """Free what the ended job still holds."""


class HostProcess:
    """`sagecask train` or `sagecask serve` with this interpreter, in a process group of its own.

    The terminal's Ctrl-C reaches this process alone, which hands it on as SIGTERM.
    """

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sagecask.cli", *arguments],
            env={**environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def remove(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def on_stop(actions: Sequence[Callable[[], None]], *, hangup: bool = True) -> Iterator[None]:
    """Answer the first SIGINT, SIGTERM or SIGHUP with the first action, the second with the second, and so on.

    SIGHUP is left as it is where `hangup` is false.

    Actions run in threads of their own: a handler that used the engine's client could meet that client's locks.
    """
    left = list(actions)

    def act(_number: int, _frame: FrameType | None) -> None:
        if left:
            threading.Thread(target=left.pop(0), daemon=True).start()

    numbers = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hangup else ()))
    with _handled(dict.fromkeys(numbers, act)):
        yield


@contextmanager
def on_hangup(action: Callable[[], None]) -> Iterator[None]:
    """Answer each SIGHUP with an action that only takes note of it."""
    with _handled({signal.SIGHUP: lambda _number, _frame: action()}):
        yield


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    earlier = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
