"""The pieces of a batch transform input: whole files, or records grouped into payloads (contract 12.7, 12.8)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

SplitType = Literal["None", "Line", "RecordIO"]
Strategy = Literal["MULTI_RECORD", "SINGLE_RECORD"]

_MAGIC = 0xCED7230A
# the lower 29 bits of the second word are the length, the upper three mark parts of a longer record
_LENGTH_MASK = (1 << 29) - 1


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: its body, the numbers of its first and last record, and the bytes of the input that it covers."""

    body: bytes
    first: int
    last: int
    covered: int


def pieces(stream: BinaryIO, split: SplitType, strategy: Strategy, max_bytes: int) -> Iterator[Piece]:
    """Cut an input into requests, in order; records count from 1.

    Raises
    ------
    DataError : a record, or a file that is not split, is larger than a request may be, or RecordIO is damaged
    """
    if split == "None":
        body = stream.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise DataError(f"must have at most {max_bytes} bytes where it is not split; got more")
        yield Piece(body, 1, 1, len(body))
        return
    framed = split == "RecordIO"
    # a line over the limit is not read to its end, wherever that may be
    records = _record_io(stream) if framed else iter(lambda: stream.readline(max_bytes + 1), b"")
    if strategy == "SINGLE_RECORD":
        for number, record in enumerate(records, start=1):
            body = _payload(record) if framed else record
            _fits(body, number, max_bytes)
            yield Piece(body, number, number, len(record))
        return
    yield from _grouped(records, max_bytes)


def _grouped(records: Iterator[bytes], max_bytes: int) -> Iterator[Piece]:
    group: list[bytes] = []
    size = 0
    number = 0
    for number, record in enumerate(records, start=1):
        _fits(record, number, max_bytes)
        if group and size + len(record) > max_bytes:
            yield Piece(b"".join(group), number - len(group), number - 1, size)
            group, size = [], 0
        group.append(record)
        size += len(record)
    if group:
        yield Piece(b"".join(group), number - len(group) + 1, number, size)


def _fits(body: bytes, number: int, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise DataError(f"record {number}: must have at most {max_bytes} bytes; got more")


def _record_io(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the records with their frames and padding (formats: magic, length, payload, zeros to four bytes)."""
    number = 1
    while head := stream.read(8):
        magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        if magic != _MAGIC or length > _LENGTH_MASK:
            raise DataError(f"record {number}: must begin with the RecordIO magic and a length; got {head.hex()}")
        body = stream.read(length + -length % 4)
        if len(body) != length + -length % 4:
            raise DataError(f"record {number}: must have {length} bytes and its padding; got {len(body)} bytes")
        yield head + body
        number += 1


def _payload(record: bytes) -> bytes:
    length = struct.unpack_from("<I", record, 4)[0]
    return record[8 : 8 + length]
