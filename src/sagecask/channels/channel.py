"""A channel as an algorithm sees it: passes over batches, whatever mode the bytes came in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, MediaType, concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator


class Channel(ABC):
    """One named input of a training job."""

    name: str
    content_type: MediaType

    @abstractmethod
    def batches(self, layout: Layout) -> Iterator[Batch]:
        """Yield the rows of one epoch in order; each call is the next epoch. Memory stays bounded.

        Raises
        ------
        DataError : a file is missing, damaged or not of the content type; names file, line and column
        """

    def read(self, layout: Layout) -> Batch:
        """Return one epoch in memory.

        Raises
        ------
        DataError : as `batches`, or there is no row at all
        """
        batches = list(self.batches(layout))
        if not batches:
            raise DataError(f'channel "{self.name}": at least one row; got none')
        return concatenate(batches)
