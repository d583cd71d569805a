"""RecordIO framing: magic, length word, payload, padding to four bytes (dmlc-core, recordio.h)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x0a\x23\xd7\xce"
MAX_PART_BYTES = 2**29 - 1
# what a protobuf message may hold; joined parts could go beyond it without end
MAX_RECORD_BYTES = 2**31 - 1
WHOLE, FIRST, MIDDLE, LAST = range(4)


def records(stream: BinaryIO, where: str, first: int = 1) -> Iterator[bytes]:
    """Yield the payload of each record, parts joined with the magic that their writer took out.

    `first` is the number of the record that comes next.

    Raises
    ------
    DataError : the magic is missing, a record is cut off, or its parts are out of order; names the record
    """
    number = first
    while (payload := _record(stream, f"{where}, record {number}")) is not None:
        yield payload
        number += 1


def frame(payload: bytes) -> bytes:
    """Return one record, whole: the platform's own reader knows no parts.

    Raises
    ------
    ValueError : the payload is longer than the length word can say
    """
    if len(payload) > MAX_PART_BYTES:
        raise ValueError(f"a payload of at most {MAX_PART_BYTES} bytes is needed; got {len(payload)}")
    return MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)


def _record(stream: BinaryIO, where: str) -> bytes | None:
    part = _part(stream, where)
    if part is None or part[0] == WHOLE:
        return None if part is None else part[1]
    flag, payload = part
    if flag != FIRST:
        raise DataError(f"{where}: a first part is needed; got a later one (flag {flag})")
    parts, size = [payload], len(payload)
    while flag != LAST:
        part = _part(stream, where)
        if part is None or part[0] not in {MIDDLE, LAST}:
            got = "the end" if part is None else f"flag {part[0]}"
            raise DataError(f"{where}: a middle or last part is needed; got {got}")
        flag, payload = part
        parts.append(payload)
        size += len(payload) + len(MAGIC)
        if size > MAX_RECORD_BYTES:
            raise DataError(f"{where}: at most {MAX_RECORD_BYTES} bytes in all parts are needed; got more")
    return MAGIC.join(parts)


def read_head(stream: BinaryIO, where: str) -> tuple[int, int] | None:
    """Return the flag of the part that comes next and the length of its payload; None at the end.

    Raises
    ------
    DataError : other bytes than a part's head come next, or too few
    """
    head = _exactly(stream, 8)
    if not head:
        return None
    if not head.startswith(MAGIC):
        raise DataError(f"{where}: the RecordIO magic {MAGIC.hex()} is needed; got {head[:4].hex()}")
    if len(head) < 8:
        raise DataError(f"{where}: a length word of 4 bytes is needed; got {len(head) - 4} bytes until the end")
    (word,) = struct.unpack_from("<I", head, 4)
    flag = word >> 29
    if flag > LAST:
        raise DataError(f"{where}: a continuation flag from 0 to 3 is needed; got {flag}")
    return flag, word & MAX_PART_BYTES


def _part(stream: BinaryIO, where: str) -> tuple[int, bytes] | None:
    head = read_head(stream, where)
    if head is None:
        return None
    flag, length = head
    padded = length + -length % 4
    body = _exactly(stream, padded)
    if len(body) < padded:
        raise DataError(f"{where}: {padded} bytes of payload and padding are needed; got {len(body)} until the end")
    return flag, body[:length]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end; a pipe may hand out less at a time."""
    pieces = []
    while size and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
