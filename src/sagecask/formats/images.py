"""Encoded images with their labels: `.rec` records, `.lst` lists and labels written as text.

Record header and list as MXNet's `recordio.py` and `im2rec.py` write them; nothing is decoded here.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.framing import records
from sagecask.formats.lines import blocks, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

# contents of channels that hold images, their lists and manifests
MEDIA_TYPES = ("application/x-recordio", "application/x-image", "image/jpeg", "image/png")
_HEADER = struct.Struct("<IfQQ")
BATCH_IMAGES = 256
BATCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image: its number in the list, labels (n_labels,) float32, and the bytes of its file (JPEG or PNG)."""

    number: int
    labels: NDArray[np.float32]
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """One line of a list: number, labels (n_labels,) float32, and the path relative to the images' folder."""

    number: int
    labels: NDArray[np.float32]
    path: str


def packed(stream: BinaryIO, where: str) -> Iterator[Image]:
    """Yield the images of a `.rec` file.

    Raises
    ------
    DataError : the file is no RecordIO, or a record has no whole header, no labels where it promises some, or no image
    """
    for number, payload in enumerate(records(stream, where), 1):
        yield unpack(payload, f"{where}, record {number}")


def unpack(payload: bytes, where: str) -> Image:
    """Return the image of one record: flag, label, two ids; `flag` labels where it is above 0; the image's bytes.

    Raises
    ------
    DataError : the payload is too short for its header, labels and an image, or a label is not finite
    """
    if len(payload) < _HEADER.size:
        raise DataError(f"{where}: a header of {_HEADER.size} bytes is needed; got {len(payload)}")
    flag, label, number, _ = _HEADER.unpack_from(payload)
    start = _HEADER.size + 4 * flag
    if len(payload) <= start:
        raise DataError(f"{where}: {flag} labels and an image are needed; got {len(payload) - _HEADER.size} bytes")
    labels = np.frombuffer(payload, "<f4", flag, _HEADER.size) if flag else np.array([label], dtype=np.float32)
    return Image(number, _finite(labels.astype(np.float32), where), payload[start:])


def pack(image: Image) -> bytes:
    """Return the payload of an image's record, the label in the header where there is one alone."""
    alone = len(image.labels) == 1
    head = _HEADER.pack(0 if alone else len(image.labels), image.labels[0] if alone else 0, image.number, 0)
    return head + (b"" if alone else image.labels.astype("<f4").tobytes()) + image.content


def listed(stream: BinaryIO, where: str) -> Iterator[Listed]:
    r"""Yield the lines of a `.lst` file: number, one or more labels, path, with tabs between them.

    Raises
    ------
    DataError : a line has fewer than three columns, a number or label is none, or a path leads out of the folder
    """
    for first, block in blocks(stream, "utf-8", where):
        for at, line in enumerate(block.decode("utf-8", "replace").split("\n"), first):
            if line.strip():
                yield _listed(line.rstrip("\r").split("\t"), f"{where}, line {at}")


def _listed(columns: Sequence[str], where: str) -> Listed:
    if len(columns) < 3:
        got = f"{len(columns)} column{'s' * (len(columns) != 1)}"
        raise DataError(f"{where}: index, labels and path with tabs between them are needed; got {got}")
    number, *texts, path = columns
    # as many digits as 64 bits have, the size that a record has for it
    digits = number.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise DataError(f"{where}, column 1: a whole number is needed; got {quote(number)}")
    labels = []
    for column, text in enumerate(texts, 2):
        try:
            labels.append(float(text))
        except ValueError as error:
            raise DataError(f"{where}, column {column}: a number is needed; got {quote(text)}") from error
    parts = PurePosixPath(path)
    if not path.strip() or parts.is_absolute() or ".." in parts.parts:
        raise DataError(f"{where}, column {len(columns)}: a path below the images' folder is needed; got {quote(path)}")
    with np.errstate(over="ignore"):
        return Listed(int(digits), _finite(np.array(labels, dtype=np.float32), where), path)


def label_text(text: bytes, where: str) -> NDArray[np.float32]:
    """Return the labels of an augmented manifest's attribute, (n_labels,) float32: a number or a JSON list of numbers.

    Raises
    ------
    DataError : it is something else, or not finite
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    # a text may itself hold the list
    if isinstance(value, str):
        return label_text(value.encode("utf-8", "surrogatepass"), where)
    values = value if isinstance(value, list) else [value]
    if not values or not set(map(type, values)) <= {int, float}:
        got = quote(text.decode("utf-8", "replace"))
        raise DataError(f"{where}: a number or a list of numbers as label is needed; got {got}")
    # a text of digits is infinite where no double holds it, an integer is an error
    with np.errstate(over="ignore"):
        return _finite(np.array([float(str(each)) for each in values]).astype(np.float32), where)


def grouped(images: Iterable[Image]) -> Iterator[tuple[Image, ...]]:
    """Yield images in groups of bounded number and size."""
    group: list[Image] = []
    size = 0
    for image in images:
        group.append(image)
        size += len(image.content)
        if len(group) == BATCH_IMAGES or size >= BATCH_BYTES:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _finite(labels: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    if not np.isfinite(labels).all():
        raise DataError(f"{where}: finite labels are needed; got {labels[~np.isfinite(labels)][0]:g}")
    return labels
