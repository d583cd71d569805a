"""A channel as an algorithm sees it: passes over batches, whatever mode the bytes came in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, MediaType, concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class FileRules:
    """Which files of a folder an algorithm reads; a pipe has no names, so nothing of this holds there.

    max_depth : folders from the channel's own down to the deepest that is read; files below are left out with a
        warning
    refuse_hidden : whether a name that starts with a dot is an error
    skip_underscore : whether names that start with an underscore are left out
    """

    max_depth: int | None = None
    refuse_hidden: bool = False
    skip_underscore: bool = False


ALL_FILES = FileRules()


class Channel(ABC):
    """One named input of a training job."""

    name: str
    content_type: MediaType

    @abstractmethod
    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        """Yield the rows of one epoch in order; each call is the next epoch. Memory stays bounded.

        Raises
        ------
        DataError : a file is missing, damaged or not of the content type; names file, line and column
        UnsupportedMediaType : no format has the content type
        """

    def read(self, layout: Layout, rules: FileRules = ALL_FILES) -> Batch:
        """Return one epoch in memory.

        Raises
        ------
        DataError : as `batches`, or there is no row at all
        """
        batches = list(self.batches(layout, rules))
        if not batches:
            raise DataError(f'channel "{self.name}": at least one row is needed; got none')
        return concatenate(batches)
