"""What every format can do, and how the columns of training data are laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from sagecask.errors import DataError, NotAcceptable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.formats.batch import Batch, Room
    from sagecask.formats.media_type import MediaType
    from sagecask.formats.predictions import Predictions
    from sagecask.formats.records import Records


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a row mean, where the bytes alone do not tell.

    label_size : leading columns that are labels (formats that name their labels ignore it)
    weighted : whether the column after the labels is the row's weight (CSV)
    delimiter : one character between cells; None takes it from the first line (CSV)
    charset : encoding of text formats
    width : features that each row must have, None takes it from the first row (libsvm: that it has at least)
    """

    label_size: int = 0
    weighted: bool = False
    delimiter: str | None = ","
    charset: str = "utf-8"
    width: int | None = None

    def under(self, content_type: MediaType, where: str) -> Layout:
        """Return this layout with what the parameters of a content type say: `label_size`, `charset` or `encoding`.

        Raises
        ------
        DataError : label_size is no whole number
        """
        parameters = content_type.parameters
        label_size = parameters.get("label_size", str(self.label_size))
        if not (label_size.isascii() and label_size.isdigit() and len(label_size) < 7):
            raise DataError(
                f'{where}: a content type whose label_size is a whole number is needed; got "{content_type}"'
            )
        charset = parameters.get("charset") or parameters.get("encoding") or self.charset
        return replace(self, label_size=int(label_size), charset=charset)


class Codec:
    """One format. A subclass overrides what the format can do; the rest is refused."""

    name: ClassVar[str]

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:  # noqa: ARG002 - for subclasses
        """Yield the rows of one file or pipe as batches of bounded size.

        `where` opens every error message, e.g. `channel "train", part-1.csv`.

        Raises
        ------
        DataError : a row is not what the layout promises; names line and column
        """
        raise UnsupportedMediaType(f"{where}: a format for training data is needed; got {self.name}")

    def read_into(self, room: Room, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:  # noqa: ARG002 - for subclasses
        """Yield what `read` does; dense features may stand in the memory that `room` gives for the next batch."""
        return self.read(stream, layout, where)

    def read_records(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Records]:  # noqa: ARG002 - for subclasses
        """Yield the instances of one file or pipe as they stand there, some at a time.

        Raises
        ------
        DataError : the file is not of this format; names the line
        """
        raise UnsupportedMediaType(f"{where}: a format for instances that are objects is needed; got {self.name}")

    def decode(self, body: bytes, layout: Layout) -> Batch:  # noqa: ARG002 - for subclasses
        """Return the rows of a request body.

        Raises
        ------
        DataError : the body is not of this format, or has no row
        """
        raise UnsupportedMediaType(f"request body: a format for requests is needed; got {self.name}")

    def records(self, body: bytes, layout: Layout) -> Records:  # noqa: ARG002 - for subclasses
        """Return the instances of a request body as they stand there.

        Raises
        ------
        DataError : the body is not of this format, or has no instance
        """
        raise UnsupportedMediaType(f"request body: a format for instances that are objects is needed; got {self.name}")

    def encode(self, predictions: Predictions) -> bytes:  # noqa: ARG002 - for subclasses
        """Return the answer's bytes."""
        raise NotAcceptable(f"answer: a format for answers is needed; got {self.name}")
