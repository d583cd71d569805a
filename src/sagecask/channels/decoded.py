"""Objects to batches: what every channel does once it has the bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from abc import abstractmethod
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from sagecask.channels.channel import ALL_FILES, Channel, DataObject, FileRules, never
from sagecask.channels.prefetch import prefetched
from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import Layout, MediaType, codec_for, fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from typing_extensions import Buffer

    from sagecask.formats import Batch, Codec, Records, Room

BUFFER_BYTES = 1024 * 1024
_GZIP = b"\x1f\x8b"


class DecodedChannel(Channel):
    """A channel whose objects are decoded by the codec of its content type, ahead of the caller."""

    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        return prefetched(lambda cancelled: self._decoded(layout, rules, cancelled, fresh))

    def _kept(self, layout: Layout, rules: FileRules, room: Room) -> Iterator[Batch]:
        # a batch that is copied at once is still in the cache; decoding ahead of that cost more than it gained
        return self._decoded(layout, rules, never, room)

    def records(self, rules: FileRules = ALL_FILES) -> Iterator[Records]:
        layout = Layout().under(self.content_type, f'channel "{self.name}"')
        for each in self.objects(rules):
            codec = self._codec(_content_type(each, rules))
            if each.stream.peek(1):
                yield from codec.read_records(plain(each.stream, each.where), layout, each.where)

    @abstractmethod
    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]: ...

    def _decoded(
        self, layout: Layout, rules: FileRules, cancelled: Callable[[], bool], room: Room
    ) -> Generator[Batch, None, None]:
        codec = self._codec()
        layout = layout.under(self.content_type, f'channel "{self.name}"')
        before = None
        for each in self.objects(rules, cancelled):
            # an empty object is no fault, whatever the format makes of no bytes
            if not each.stream.peek(1):
                continue
            row = 1
            for batch in codec.read_into(room, plain(each.stream, each.where), layout, each.where):
                before = _unchanged(batch, before, each.where)
                _refuse_infinite(batch, row, each.where)
                row += len(batch)
                layout = replace(layout, width=batch.width)
                yield batch
                # not kept alive while the next one is made
                del batch

    def _codec(self, content_type: MediaType | None = None) -> Codec:
        try:
            return codec_for(content_type or self.content_type)
        except UnsupportedMediaType as error:
            raise UnsupportedMediaType(f'channel "{self.name}", {error}') from error


def _content_type(each: DataObject, rules: FileRules) -> MediaType | None:
    """Return what a file's extension says it is, if anything."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(each.name or "").suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    text = rules.content_types.get(suffixes[-1]) if suffixes else None
    return None if text is None else MediaType.parse(text)


def plain(stream: io.BufferedReader, where: str) -> io.BufferedReader:
    """Return the stream, or what a gzip file has inside: the platform undoes gzip in Pipe mode alone."""
    if stream.peek(2)[:2] != _GZIP:
        return stream
    return io.BufferedReader(_Gunzip(stream, where), BUFFER_BYTES)


class _Gunzip(io.RawIOBase):
    """Plain bytes of a gzip file, which may have several members."""

    def __init__(self, stream: io.BufferedReader, where: str) -> None:
        self._file = gzip.GzipFile(fileobj=stream)
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        try:
            return self._file.readinto(buffer)
        except EOFError as error:
            raise DataError(f"{self._where}: a whole gzip file is needed; got one that ends early") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._where}: a sound gzip file is needed; got a damaged one ({error})") from error


def _unchanged(batch: Batch, before: tuple[bool, ...] | None, where: str) -> tuple[bool, ...]:
    """Return whether a batch has labels and weights and is sparse, after a look that those before agree.

    Joined batches would lose a column that not all of them have.
    """
    now = (batch.labels is not None, batch.weights is not None, batch.sparse)
    for what, has, had in zip(("labels", "weights", "sparse rows"), now, before or now, strict=True):
        if has != had:
            raise DataError(f"{where}: {what} in all files or in none are needed; got both")
    return now


def _refuse_infinite(batch: Batch, first: int, where: str) -> None:
    """Refuse a label or weight that is no finite number; rows count from `first`."""
    for what, column in (("label", batch.labels), ("weight", batch.weights)):
        if column is None or np.isfinite(column).all():
            continue
        row, *_ = np.argwhere(~np.isfinite(column))[0]
        value = np.atleast_1d(column[row])
        got = value[~np.isfinite(value)][0]
        raise DataError(f"{where}, row {first + row}: a finite number as {what} is needed; got {got:g}")
