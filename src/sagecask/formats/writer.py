"""Rows to files: one table from content type to what writes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from sagecask.errors import UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sagecask.formats.batch import Batch
    from sagecask.formats.media_type import MediaType


class Writer(ABC):
    """Writes one file, batch by batch; all batches have the same width and columns."""

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Append rows.

        Raises
        ------
        DataError : the format has no place for these rows, e.g. libsvm for rows without label
        """

    @abstractmethod
    def close(self) -> None:
        """Complete the file, which may not have a single row; the stream stays open."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file of a format can hold.

    address : module and what writes: a `Writer` of stream and column names, or a function from batch to bytes
    dense, sparse : which features; what is not of a form is turned into it by the caller
    weighted : whether rows have weights
    """

    address: str
    dense: bool = True
    sparse: bool = False
    weighted: bool = False

    def open(self, stream: BinaryIO, names: Sequence[str]) -> Writer:
        """Return a writer; `names` are those of labels, weight and features, for formats that name columns.

        Raises
        ------
        UnsupportedMediaType : the format's library is not installed
        """
        module, _, name = self.address.partition(":")
        try:
            made = getattr(import_module(f"sagecask.formats.{module}"), name)
        except ModuleNotFoundError as error:
            raise UnsupportedMediaType(f"content type: {module} needs the package {error.name}; got none") from error
        if not isinstance(made, type):
            return _Pieces(stream, made)
        writer: Writer = made(stream, names)
        return writer


FORMS = {
    "text/csv": FileForm("csv:write", weighted=True),
    "text/libsvm": FileForm("libsvm:write", dense=False, sparse=True, weighted=True),
    "application/jsonlines": FileForm("jsonlines:write", sparse=True),
    "application/x-parquet": FileForm("parquet:ParquetWriter"),
    "application/x-recordio-protobuf": FileForm("recordio:write", sparse=True),
    "application/x-npy": FileForm("npy:NpyWriter", weighted=True),
    "application/x-npz": FileForm("npz:NpzWriter", weighted=True),
}


def form_for(media_type: MediaType) -> FileForm:
    """Return what writes files of a content type.

    Raises
    ------
    UnsupportedMediaType : nothing does
    """
    if media_type.essence not in FORMS:
        raise UnsupportedMediaType(f'content type: one of {", ".join(FORMS)}; got "{media_type}"')
    return FORMS[media_type.essence]


class _Pieces(Writer):
    """A format whose files are the bytes of their batches, joined."""

    def __init__(self, stream: BinaryIO, encode: Callable[[Batch], bytes]) -> None:
        self._stream = stream
        self._encode = encode

    def write(self, batch: Batch) -> None:
        self._stream.write(self._encode(batch))

    def close(self) -> None:
        pass
