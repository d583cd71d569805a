"""Bytes to rows and answers to bytes: one file a format, and the one table from content type to codec."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from sagecask.errors import UnsupportedMediaType
from sagecask.formats.batch import Batch, Joined, Room, concatenate, fresh
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.media_type import MediaType, negotiate
from sagecask.formats.predictions import AnswerForm, Predictions
from sagecask.formats.records import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AnswerForm",
    "Batch",
    "Codec",
    "Joined",
    "Layout",
    "MediaType",
    "Predictions",
    "Records",
    "Room",
    "codec_for",
    "concatenate",
    "fresh",
    "negotiate",
]

CODECS = {
    "text/csv": "csv:CsvCodec",
    "csv": "csv:CsvCodec",
    "text/libsvm": "libsvm:LibsvmCodec",
    "text/x-libsvm": "libsvm:LibsvmCodec",
    "libsvm": "libsvm:LibsvmCodec",
    "application/json": "json:JsonCodec",
    # of channels alone, whose files have an instance a line
    "json": "jsonlines:JsonLinesCodec",
    "application/jsonlines": "jsonlines:JsonLinesCodec",
    "application/x-jsonlines": "jsonlines:JsonLinesCodec",
    "application/x-parquet": "parquet:ParquetCodec",
    "parquet": "parquet:ParquetCodec",
    "application/x-recordio-protobuf": "recordio:RecordioProtobufCodec",
    "recordio-protobuf": "recordio:RecordioProtobufCodec",
    "application/x-npy": "npy:NpyCodec",
    "application/x-npz": "npz:NpzCodec",
}


def codec_for(media_type: MediaType, accepted: Sequence[str] = tuple(CODECS)) -> Codec:
    """Return the codec of a content type; its module is imported when first asked for.

    Raises
    ------
    UnsupportedMediaType : the type is none of `accepted`, or its library is not installed
    """
    if media_type.essence not in accepted or media_type.essence not in CODECS:
        raise UnsupportedMediaType(f'content type: one of {", ".join(accepted)}; got "{media_type}"')
    return _load(CODECS[media_type.essence])


@cache
def _load(address: str) -> Codec:
    module, _, name = address.partition(":")
    try:
        codec: Codec = getattr(import_module(f"sagecask.formats.{module}"), name)()
    except ModuleNotFoundError as error:
        raise UnsupportedMediaType(f"content type: {module} needs the package {error.name}; got none") from error
    return codec
