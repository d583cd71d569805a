"""Which format a file has: by a name that a person gives, its first bytes, its extension, or its first line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask.errors import DataError, UsageError
from sagecask.formats import MediaType

if TYPE_CHECKING:
    import io
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of files: its short name, its content type, and extensions, the first of which new files get."""

    name: str
    content_type: str
    extensions: tuple[str, ...]
    magic: bytes | None = None


FORMATS = (
    FileFormat("csv", "text/csv", (".csv", ".tsv")),
    FileFormat("libsvm", "text/libsvm", (".libsvm", ".svm", ".svmlight")),
    FileFormat("jsonlines", "application/jsonlines", (".jsonl", ".jsonlines", ".ndjson")),
    FileFormat("parquet", "application/x-parquet", (".parquet", ".pq"), b"PAR1"),
    FileFormat(
        "recordio", "application/x-recordio-protobuf", (".pbr", ".recordio", ".protobuf", ".rec"), b"\x0a\x23\xd7\xce"
    ),
    FileFormat("npy", "application/x-npy", (".npy",), b"\x93NUMPY"),
    FileFormat("npz", "application/x-npz", (".npz",), b"PK\x03\x04"),
)
NAMES = tuple(each.name for each in FORMATS)
_SPELLINGS = {"text/x-libsvm": "text/libsvm", "application/x-jsonlines": "application/jsonlines"}
_PAIR = re.compile(rb"(^|\s)\d+:\S")
_LINE_BYTES = 64 * 1024


def named(text: str, option: str) -> tuple[FileFormat, MediaType]:
    """Return the format of a short name or content type, and the content type with its parameters.

    Raises
    ------
    UsageError : there is no such format
    """
    media_type = MediaType.parse(text)
    essence = _SPELLINGS.get(media_type.essence, media_type.essence)
    for each in FORMATS:
        if essence in {each.name, each.content_type}:
            return each, MediaType(each.content_type, media_type.parameters)
    raise UsageError(f'{option}: one of {", ".join(NAMES)} or a content type is needed; got "{text}"')


def of_target(path: Path) -> FileFormat:
    """Return the format that a new file's extension asks for.

    Raises
    ------
    UsageError : it asks for none
    """
    found = _of_extension(path)
    if found is None:
        known = ", ".join(each.extensions[0] for each in FORMATS)
        raise UsageError(f'{path}: --to, or a name that ends in one of {known} is needed; got "{path.name}"')
    return found


def sniffed(stream: io.BufferedReader, path: Path) -> FileFormat:
    """Return a file's format by its first bytes, else by its extension, else by its first line; reads nothing.

    Raises
    ------
    DataError : the file is binary and of no format known here
    """
    start = stream.peek(_LINE_BYTES)[:_LINE_BYTES]
    for each in FORMATS:
        if each.magic is not None and start.startswith(each.magic):
            return each
    found = _of_extension(path)
    # text that calls itself binary is refused by the format's own codec
    if found is not None:
        return found
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: a file of one of the formats {', '.join(NAMES)} is needed; got other bytes")
    line = start.lstrip().partition(b"\n")[0]
    if line.startswith((b"{", b"[")):
        return _by_name("jsonlines")
    return _by_name("libsvm" if _PAIR.search(line) else "csv")


def _of_extension(path: Path) -> FileFormat | None:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return next((each for each in FORMATS if suffix.lower() in each.extensions), None)


def _by_name(name: str) -> FileFormat:
    return next(each for each in FORMATS if each.name == name)
