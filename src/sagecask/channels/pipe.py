"""Pipe channels: a FIFO per epoch, NAME_0, NAME_1 and so on (your-algorithms-training-algo-running-container.md)."""

from __future__ import annotations

import io
from itertools import count
from typing import TYPE_CHECKING

from sagecask.channels.channel import ALL_FILES, DataObject, FileRules, never
from sagecask.channels.decoded import BUFFER_BYTES, DecodedChannel
from sagecask.channels.fifo import Fifo
from sagecask.channels.wrapped import wrapped
from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sagecask.formats import MediaType


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
        fifo = Fifo(self._folder / name, where, self._timeout_seconds, lambda: cancelled() or self._stop_requested())
        stream: io.BufferedReader = io.BufferedReader(fifo, BUFFER_BYTES)
        with stream:
            if not self._wrapped:
                yield DataObject(where, stream)
                return
            yield from wrapped(stream, where)

    def open(self, name: str) -> io.BufferedReader:
        raise DataError(f'channel "{self.name}": input mode File or FastFile is needed to read "{name}"; got Pipe')
