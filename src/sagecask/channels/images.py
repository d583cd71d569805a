"""Channels of images: `.rec` files, a list beside a folder of files, and augmented manifests in a pipe.

Source: image-classification.md, object-detection.md, augmented-manifest.md.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sagecask.channels.channel import ALL_FILES, Channel, DataObject, FileRules
from sagecask.channels.prefetch import prefetched
from sagecask.errors import DataError
from sagecask.formats.images import Image, grouped, label_text, listed, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator


def packed_images(channel: Channel, rules: FileRules = ALL_FILES) -> Iterator[tuple[Image, ...]]:
    """Yield the images of a channel's `.rec` files, or of a pipe of them, in groups; index files are left out.

    Raises
    ------
    DataError : as `formats.images.packed`
    """

    def images(cancelled: Callable[[], bool]) -> Iterator[Image]:
        for each in channel.objects(rules, cancelled):
            if not each.where.endswith(".idx"):
                yield from packed(each.stream, each.where)

    return _ahead(images)


def listed_images(channel: Channel, listing: Channel) -> Iterator[tuple[Image, ...]]:
    """Yield the images that a list names, in its order, in groups.

    Parameters
    ----------
    channel : with the images' files
    listing : with the `.lst` file or files

    Raises
    ------
    DataError : as `formats.images.listed`, or a file that is listed is not there; names the line's file
    """

    def images(cancelled: Callable[[], bool]) -> Iterator[Image]:
        for each in listing.objects(cancelled=cancelled):
            for line in listed(each.stream, each.where):
                with channel.open(line.path) as file:
                    yield Image(line.number, line.labels, file.read())

    return _ahead(images)


def manifest_images(channel: Channel) -> Iterator[tuple[Image, ...]]:
    """Yield the images of an augmented manifest with two attributes, an image and its labels, in groups.

    Raises
    ------
    DataError : an image has no label, or one that is no number and no list of numbers
    """

    def images(cancelled: Callable[[], bool]) -> Iterator[Image]:
        rows = attribute_rows(channel.objects(cancelled=cancelled), 2, channel.name)
        for number, (content, label) in enumerate(rows):
            yield Image(number, label_text(label, f'channel "{channel.name}", line {number + 1}'), content)

    return _ahead(images)


def attribute_rows(objects: Iterable[DataObject], count: int, name: str) -> Iterator[tuple[bytes, ...]]:
    """Yield the `count` attributes of each line of an augmented manifest, in the order of AttributeNames.

    Parameters
    ----------
    objects : of one epoch; the channel's RecordWrapperType must be RecordIO, or nothing marks the attributes' borders
    name : of the channel, for messages

    Raises
    ------
    DataError : the last line has fewer attributes
    """
    contents = (each.stream.read() for each in objects)
    number = 0
    while row := tuple(islice(contents, count)):
        number += 1
        if len(row) < count:
            raise DataError(f'channel "{name}", line {number}: {count} attributes are needed; got {len(row)}')
        yield row


def _ahead(images: Callable[[Callable[[], bool]], Iterator[Image]]) -> Iterator[tuple[Image, ...]]:
    def groups(cancelled: Callable[[], bool]) -> Generator[tuple[Image, ...], None, None]:
        yield from grouped(images(cancelled))

    return prefetched(groups)
