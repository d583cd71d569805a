"""A channel as an algorithm sees it: passes over batches, whatever mode the bytes came in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sagecask.errors import DataError
from sagecask.formats import Batch, Joined, Layout, MediaType, Records, Room

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class FileRules:
    """Which files of a folder an algorithm reads; a pipe has no names, so nothing of this holds there.

    max_depth : folders from the channel's own down to the deepest that is read; files below are left out with a
        warning
    refuse_hidden : whether a name that starts with a dot is an error
    skip_underscore : whether names that start with an underscore are left out
    skip : patterns of names that are left out, such as `_SUCCESS` or `.*`
    content_types : by extension, such as `.parquet`, with or without `.gz` behind it, what `records` reads a file as;
        one of any other name has the channel's content type
    shuffle_seed : puts the files into another order in each epoch, the same for the same seed; None is by name
    """

    max_depth: int | None = None
    refuse_hidden: bool = False
    skip_underscore: bool = False
    shuffle_seed: int | None = None
    skip: tuple[str, ...] = ()
    content_types: Mapping[str, str] = field(default_factory=dict)


ALL_FILES = FileRules()


@dataclass(frozen=True, slots=True, eq=False)
class DataObject:
    """One file of a folder, one wrapped object of a pipe, or a whole pipe where nothing marks the objects' borders.

    where : opens every message about its contents
    stream : its bytes, buffered; ends with the object and is closed by the channel
    name : a file's path relative to the channel, None in a pipe
    """

    where: str
    stream: io.BufferedReader
    name: str | None = None


def never() -> bool:
    """Say that nobody has given up waiting."""
    return False


class Channel(ABC):
    """One named input of a training job.

    sharded : whether the platform has given this host a part of the objects (ShardedByS3Key)
    """

    name: str
    content_type: MediaType
    sharded: bool = False

    @abstractmethod
    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        """Yield the rows of one epoch in order; each call is the next epoch. Memory stays bounded.

        A few batches are decoded ahead of the caller, who may stop early by closing the iterator.

        Raises
        ------
        DataError : a file is missing, damaged or not of the content type; names file, line and column
        UnsupportedMediaType : no format has the content type
        """

    @abstractmethod
    def records(self, rules: FileRules = ALL_FILES) -> Iterator[Records]:
        """Yield the instances of one epoch in order, where they are no rows of numbers; each call is the next epoch.

        Memory stays bounded.

        Raises
        ------
        DataError : a file is missing, damaged or not of its content type; names file and line
        UnsupportedMediaType : no format of such instances has the content type
        """

    @abstractmethod
    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]:
        """Yield what one epoch consists of, for formats that have no rows; each call is the next epoch.

        An object is to be read before the next one is asked for. `cancelled` ends waiting for bytes that do not come.

        Raises
        ------
        DataError : an object is missing or cannot be read
        PlatformError : the input mode's folder or FIFO is not there
        """

    @abstractmethod
    def open(self, name: str) -> io.BufferedReader:
        """Return one file by its path relative to the channel.

        Raises
        ------
        DataError : there is no such file, or the channel is a pipe, which has no names
        """

    def read(self, layout: Layout, rules: FileRules = ALL_FILES) -> Batch:
        """Return one epoch in memory.

        Raises
        ------
        DataError : as `batches`, or there is no row at all
        """
        joined = Joined()
        for batch in self._kept(layout, rules, joined.room):
            joined.add(batch)
            # not kept alive while the next one is made, which takes its place in the cache
            del batch
        if not joined:
            raise DataError(f'channel "{self.name}": at least one row is needed; got none')
        return joined.batch()

    def _kept(self, layout: Layout, rules: FileRules, room: Room) -> Iterator[Batch]:  # noqa: ARG002 - for subclasses
        """Yield what `batches` does, for a caller who only keeps it: features may stand in `room`."""
        return self.batches(layout, rules)
