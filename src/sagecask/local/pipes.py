"""The platform's side of Pipe mode on this machine: a FIFO per channel and epoch, fed as long as the job reads."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import random
import select
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from sagecask.errors import PlatformError, SagecaskError, UserError
from sagecask.formats.framing import MAGIC, MAX_PART_BYTES, frame
from sagecask.local.source import SourceObject, lines, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from sagecask.local.channel import LocalChannel

PIPE_BYTES = 1024 * 1024
_TICK_SECONDS = 0.02


class Feeder:
    """Feeds every Pipe channel of a job from a thread of its own, epoch after epoch, until it is left.

    Parameters
    ----------
    folder : where the FIFOs appear
    failed : called when a channel cannot be fed on; leaving raises the reason

    Raises
    ------
    UserError : a manifest is none, or names what is not there
    """

    def __init__(self, channels: Mapping[str, LocalChannel], folder: Path) -> None:
        self._stopped = threading.Event()
        self._faults: list[SagecaskError] = []
        self.failed: Callable[[], None] = self._stopped.set
        piped = {name: channel for name, channel in channels.items() if channel.piped}
        self._sources = [_Source(name, channel, folder / name, self._stopped) for name, channel in piped.items()]
        self._threads = [threading.Thread(target=self._feed, args=(each,), daemon=True) for each in self._sources]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._faults and error is None:
            raise self._faults[0]

    def _feed(self, source: _Source) -> None:
        try:
            source.feed()
        except (SagecaskError, OSError, EOFError) as error:
            fault = error if isinstance(error, SagecaskError) else UserError(f"{source.where}: {error}")
            self._faults.append(fault)
            self.failed()


class _Source:
    """One channel: what it consists of, and its series of FIFOs."""

    def __init__(self, name: str, channel: LocalChannel, path: Path, stopped: threading.Event) -> None:
        self.where = f'channel "{name}"'
        self._channel = channel
        self._path = path
        self._stopped = stopped
        augmented = channel.data_type == "AugmentedManifestFile"
        self._rows = lines(name, channel) if augmented else [(each,) for each in objects(name, channel)]

    def feed(self) -> None:
        epoch = 0
        while not self._stopped.is_set():
            fifo = self._path.with_name(f"{self._path.name}_{epoch}")
            os.mkfifo(fifo, 0o644)
            try:
                self._write(fifo, epoch)
            finally:
                fifo.unlink()
            epoch += 1

    def _write(self, fifo: Path, epoch: int) -> None:
        descriptor = self._opened(fifo)
        if descriptor is None:
            return
        try:
            for block in self._blocks(epoch):
                self._push(descriptor, memoryview(block))
        except BrokenPipeError:
            # the reader has enough of this epoch
            return
        finally:
            os.close(descriptor)

    def _opened(self, fifo: Path) -> int | None:
        """Return the writing end once somebody reads, None where nobody will."""
        while not self._stopped.wait(_TICK_SECONDS):
            try:
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise PlatformError(f"{self.where}: a FIFO that opens is needed; got {error}") from error
                continue
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            return descriptor
        return None

    def _push(self, descriptor: int, view: memoryview) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                poll.poll(_TICK_SECONDS * 1000)
                if self._stopped.is_set():
                    raise BrokenPipeError from None

    def _blocks(self, epoch: int) -> Iterator[bytes]:
        rows = list(self._rows)
        if self._channel.shuffle_seed is not None:
            # a text as seed is hashed the same way by every Python
            random.Random(f"{self._channel.shuffle_seed}, epoch {epoch}").shuffle(rows)  # noqa: S311 - no secret
        for row in rows:
            for piece in row:
                yield from self._wrapped(piece) if self._channel.record_wrapper == "RecordIO" else self._plain(piece)

    def _plain(self, piece: SourceObject) -> Iterator[bytes]:
        if isinstance(piece.content, bytes):
            yield piece.content
            return
        unpacked = self._channel.compression == "Gzip"
        with gzip.open(piece.content) if unpacked else piece.content.open("rb") as file:
            while block := file.read(PIPE_BYTES):
                yield block

    def _wrapped(self, piece: SourceObject) -> Iterator[bytes]:
        if isinstance(piece.content, bytes) or self._channel.compression == "Gzip":
            # how long it is shows only when it is unpacked
            yield frame(b"".join(self._plain(piece)))
            return
        size = piece.content.stat().st_size
        if size > MAX_PART_BYTES:
            raise UserError(
                f"{self.where}, {piece.name}: an object of at most {MAX_PART_BYTES} bytes is needed with record "
                f"wrapper RecordIO; got {size}"
            )
        yield MAGIC + struct.pack("<I", size)
        yield from self._plain(piece)
        yield bytes(-size % 4)
