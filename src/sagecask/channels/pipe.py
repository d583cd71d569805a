"""Pipe channels: a FIFO per epoch, NAME_0, NAME_1 and so on (your-algorithms-training-algo-running-container.md)."""

from __future__ import annotations

import fcntl
import io
import os
import select
import stat
import time
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

from sagecask.channels.channel import ALL_FILES, DataObject, FileRules, never
from sagecask.channels.decoded import BUFFER_BYTES, DecodedChannel
from sagecask.channels.wrapped import wrapped
from sagecask.errors import DataError, PlatformError, TrainingStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Buffer

    from sagecask.formats import MediaType

# what Linux allows without privileges; a pipe's own 64 KiB cost half the speed
PIPE_BYTES = 1024 * 1024
_TICK_SECONDS = 0.05


class PipeChannel(DecodedChannel):
    """Reads each FIFO to its end or closes it early, and only then looks for the next one.

    Parameters
    ----------
    folder : where the FIFOs appear
    wrapped : whether each object is one RecordIO record (RecordWrapperType)
    timeout_seconds : wait for a FIFO, for its writer and for each next byte
    stop_requested : ends every wait once the job is to stop
    """

    def __init__(  # noqa: PLR0913 - what the job says of the channel
        self,
        name: str,
        folder: Path,
        content_type: MediaType,
        *,
        wrapped: bool = False,
        sharded: bool = False,
        timeout_seconds: float = 300,
        stop_requested: Callable[[], bool] = never,
    ) -> None:
        self.name = name
        self.content_type = content_type
        self.sharded = sharded
        self._folder = folder
        self._wrapped = wrapped
        self._timeout_seconds = timeout_seconds
        self._stop_requested = stop_requested
        self._epochs = count()

    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]:  # noqa: ARG002 - a pipe has no names
        name = f"{self.name}_{next(self._epochs)}"
        where = f'channel "{self.name}", {name}'
        with self._stream(self._folder / name, where, cancelled) as stream:
            if not self._wrapped:
                yield DataObject(where, stream)
                return
            yield from wrapped(stream, where)

    def open(self, name: str) -> io.BufferedReader:
        raise DataError(f'channel "{self.name}": input mode File or FastFile is needed to read "{name}"; got Pipe')

    @contextmanager
    def _stream(self, path: Path, where: str, cancelled: Callable[[], bool]) -> Iterator[io.BufferedReader]:
        wait = _Wait(where, self._timeout_seconds, cancelled, self._stop_requested)
        stream: io.BufferedReader = io.BufferedReader(_Fifo(path, wait), BUFFER_BYTES)
        with stream:
            yield stream


class _Wait:
    """Says when waiting has been long enough, or is no longer wanted."""

    def __init__(
        self, where: str, timeout_seconds: float, cancelled: Callable[[], bool], stop_requested: Callable[[], bool]
    ) -> None:
        self.where = where
        self._timeout_seconds = timeout_seconds
        self._cancelled = cancelled
        self._stop_requested = stop_requested

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Return once `happened`; it may itself take a tick's time.

        Raises
        ------
        PlatformError : it did not happen in time; `what` was needed
        TrainingStopped : the job is to stop, or the reader has given up
        """
        end = time.monotonic() + self._timeout_seconds
        while not happened():
            if self._cancelled() or self._stop_requested():
                raise TrainingStopped
            if time.monotonic() > end:
                raise PlatformError(f"{self.where}: {what} within {self._timeout_seconds:g} seconds; got none")


class _Fifo(io.RawIOBase):
    """The reading end of one FIFO; waits for it, for a writer, and for bytes, but never without end."""

    def __init__(self, path: Path, wait: _Wait) -> None:
        self._wait = wait
        self._received = 0
        self._descriptor = -1
        wait.until(lambda: self._found(path), f"a FIFO {path} is needed")
        self._descriptor = self._opened(path)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        # a container may forbid it; the pipe works as it is
        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        # before the first writer has opened it, a FIFO looks like one at its end
        wait.until(self._ready, "a writer that opens the FIFO is needed")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        got = self._some(view)
        # whoever peeks at the first bytes must see two, however they were written
        if got == 1 == self._received and len(view) > 1:
            got += self._some(view[1:])
        return got

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _found(self, path: Path) -> bool:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            time.sleep(_TICK_SECONDS)
            return False
        if not stat.S_ISFIFO(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a regular file" if stat.S_ISREG(mode) else "something else"
            raise PlatformError(f"{self._wait.where}: a FIFO {path} is needed; got {kind}")
        return True

    def _opened(self, path: Path) -> int:
        try:
            # without O_NONBLOCK the call would wait for a writer as long as it likes
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise PlatformError(f"{self._wait.where}: a readable FIFO is needed; got {error.strerror}") from error

    def _ready(self) -> bool:
        return bool(self._poll.poll(_TICK_SECONDS * 1000))

    def _some(self, view: memoryview) -> int:
        while True:
            try:
                got = os.readv(self._descriptor, [view])
            except BlockingIOError:
                self._wait.until(self._ready, f"more than {self._received} bytes or their end are needed")
                continue
            self._received += got
            return got
