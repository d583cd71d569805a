"""The reading end of a FIFO: waits for it, for a writer and for bytes, but never without end, and reads ahead."""

from __future__ import annotations

import fcntl
import io
import os
import select
import stat
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Self

from sagecask.channels.prefetch import AHEAD, prefetched
from sagecask.errors import PlatformError, TrainingStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Buffer

# what Linux allows without privileges; a pipe's own 64 KiB cost half the speed
PIPE_BYTES = 1024 * 1024
_TICK_SECONDS = 0.05


class _Wait:
    """Says when waiting has been long enough, or is no longer wanted."""

    def __init__(self, where: str, timeout_seconds: float, unwanted: Callable[[], bool]) -> None:
        self.where = where
        self._timeout_seconds = timeout_seconds
        self._unwanted = unwanted

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Return once `happened`; it may itself take a tick's time.

        Raises
        ------
        PlatformError : it did not happen in time; `what` was needed
        TrainingStopped : the job is to stop, or the reader has given up
        """
        end = time.monotonic() + self._timeout_seconds
        while not happened():
            if self._unwanted():
                raise TrainingStopped
            if time.monotonic() > end:
                raise PlatformError(f"{self.where}: {what} within {self._timeout_seconds:g} seconds; got none")


class Fifo(io.RawIOBase):
    """The bytes of one FIFO, read in a thread of their own, so that the writer need not wait for the decoder.

    Opened, and closed again, in that thread; whatever fails there is raised by the call that meets it.

    Parameters
    ----------
    where : opens every message
    timeout_seconds : wait for the FIFO, for its writer and for each next byte
    unwanted : ends every wait

    Raises
    ------
    PlatformError : there is no FIFO, no writer or no byte in time
    TrainingStopped : a wait is no longer wanted
    """

    def __init__(self, path: Path, where: str, timeout_seconds: float, unwanted: Callable[[], bool]) -> None:
        def blocks(closed: Callable[[], bool]) -> Generator[memoryview, None, None]:
            return _blocks(path, _Wait(where, timeout_seconds, lambda: closed() or unwanted()))

        self._blocks = prefetched(blocks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = next(self._blocks, self._rest)
        got = min(len(view), len(self._rest))
        view[:got], self._rest = self._rest[:got], self._rest[got:]
        return got

    def close(self) -> None:
        self._blocks.close()
        super().close()


def _blocks(path: Path, wait: _Wait) -> Generator[memoryview, None, None]:
    """Yield what the FIFO has in blocks of one size, the last one shorter.

    A block is good until the next one is asked for: as many buffers take turns as can be in use.
    """
    with _End(path, wait) as end:
        buffers = cycle(memoryview(bytearray(PIPE_BYTES)) for _ in range(AHEAD + 1))
        for buffer in buffers:
            filled = end.fill(buffer)
            if filled:
                yield buffer[:filled]
            if filled < len(buffer):
                return


class _End:
    """A FIFO's reading end, opened without blocking."""

    def __init__(self, path: Path, wait: _Wait) -> None:
        self._wait = wait
        self._received = 0
        wait.until(lambda: _found(path, wait.where), f"a FIFO {path} is needed")
        try:
            # without O_NONBLOCK the call would wait for a writer as long as it likes
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise PlatformError(f"{wait.where}: a readable FIFO is needed; got {error.strerror}") from error
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def __enter__(self) -> Self:
        # a container may forbid it; the pipe works as it is
        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def fill(self, buffer: memoryview) -> int:
        """Fill a buffer with the bytes that come next, and return their number: less only at the end."""
        if not self._received:
            # before the first writer has opened it, a FIFO looks like one at its end
            self._wait.until(self._ready, "a writer that opens the FIFO is needed")
        filled = 0
        while filled < len(buffer):
            try:
                got = os.readv(self._descriptor, [buffer[filled:]])
            except BlockingIOError:
                self._wait.until(self._ready, f"more than {self._received} bytes or their end are needed")
                continue
            if not got:
                break
            filled += got
            self._received += got
        return filled

    def _ready(self) -> bool:
        return bool(self._poll.poll(_TICK_SECONDS * 1000))


def _found(path: Path, where: str) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        time.sleep(_TICK_SECONDS)
        return False
    if not stat.S_ISFIFO(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a regular file" if stat.S_ISREG(mode) else "something else"
        raise PlatformError(f"{where}: a FIFO {path} is needed; got {kind}")
    return True
