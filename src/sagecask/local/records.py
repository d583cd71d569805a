"""The pieces of a batch transform input: whole files, or records grouped into payloads (contract 12.7, 12.8)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

SplitType = Literal["None", "Line", "RecordIO", "TFRecord"]
Strategy = Literal["MULTI_RECORD", "SINGLE_RECORD"]

_MAGIC = 0xCED7230A
# the lower 29 bits of the second word are the length, the upper three mark parts of a longer record
_LENGTH_MASK = (1 << 29) - 1
# bytes; a file that is no TFRecord must not be read as one of any length
_MAX_TFRECORD = 1 << 31


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: its body, the numbers of its first and last record, and the bytes of the input that it covers.

    whole : whether it is an input that is not split
    """

    body: bytes
    first: int
    last: int
    covered: int
    whole: bool = False


def pieces(
    stream: BinaryIO, split: SplitType, strategy: Strategy, max_bytes: int | None, first: int = 1
) -> Iterator[Piece]:
    """Cut an input into requests, in order.

    max_bytes : of a request; None is no limit
    first : number of the record that `stream` stands at; records count from 1

    Raises
    ------
    DataError : a record, or a file that is not split, is larger than a request may be, or its frame is damaged
    """
    # a line over the limit is not read to its end, wherever that may be
    limit = -1 if max_bytes is None else max_bytes + 1
    if split == "None":
        body = stream.read(limit)
        if max_bytes is not None and len(body) > max_bytes:
            raise DataError(f"must have at most {max_bytes} bytes where it is not split; got more")
        if body or first == 1:
            yield Piece(body, 1, 1, len(body), whole=True)
        return
    frame = _FRAMES.get(split)
    records = iter(lambda: stream.readline(limit), b"") if frame is None else frame.records(stream, first)
    if strategy == "SINGLE_RECORD":
        for number, record in enumerate(records, start=first):
            body = record if frame is None else frame.payload(record)
            _fits(body, number, max_bytes)
            yield Piece(body, number, number, len(record))
        return
    yield from _grouped(records, max_bytes, first)


def _grouped(records: Iterator[bytes], max_bytes: int | None, first: int) -> Iterator[Piece]:
    group: list[bytes] = []
    size = 0
    number = first - 1
    for number, record in enumerate(records, start=first):
        _fits(record, number, max_bytes)
        if group and max_bytes is not None and size + len(record) > max_bytes:
            yield Piece(b"".join(group), number - len(group), number - 1, size)
            group, size = [], 0
        group.append(record)
        size += len(record)
    if group:
        yield Piece(b"".join(group), number - len(group) + 1, number, size)


def _fits(body: bytes, number: int, max_bytes: int | None) -> None:
    if max_bytes is not None and len(body) > max_bytes:
        raise DataError(f"record {number}: must have at most {max_bytes} bytes; got more")


class _Frame(Protocol):
    """How records lie in a file: with what stands around them, and without it."""

    def records(self, stream: BinaryIO, number: int) -> Iterator[bytes]: ...

    def payload(self, record: bytes) -> bytes: ...


class _RecordIO:
    """Magic, length, payload, zeros to four bytes."""

    def records(self, stream: BinaryIO, number: int) -> Iterator[bytes]:
        while head := stream.read(8):
            magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
            if magic != _MAGIC or length > _LENGTH_MASK:
                raise DataError(f"record {number}: must begin with the RecordIO magic and a length; got {head.hex()}")
            yield head + _rest(stream, length + -length % 4, number, f"{length} bytes and its padding")
            number += 1

    def payload(self, record: bytes) -> bytes:
        return record[8 : 8 + struct.unpack_from("<I", record, 4)[0]]


class _TFRecord:
    """Length in eight bytes, its checksum, payload, its checksum; checksums are left to the server."""

    def records(self, stream: BinaryIO, number: int) -> Iterator[bytes]:
        while head := stream.read(12):
            length = struct.unpack_from("<Q", head)[0] if len(head) == 12 else _MAX_TFRECORD + 1
            if length > _MAX_TFRECORD:
                raise DataError(f"record {number}: must begin with the length of a TFRecord; got {head.hex()}")
            yield head + _rest(stream, length + 4, number, f"{length} bytes and a checksum")
            number += 1

    def payload(self, record: bytes) -> bytes:
        return record[12:-4]


def _rest(stream: BinaryIO, length: int, number: int, what: str) -> bytes:
    body = stream.read(length)
    if len(body) != length:
        raise DataError(f"record {number}: must have {what}; got {len(body)} bytes")
    return body


_FRAMES: dict[str, _Frame] = {"RecordIO": _RecordIO(), "TFRecord": _TFRecord()}
