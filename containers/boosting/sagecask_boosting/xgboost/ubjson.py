"""Universal Binary JSON as far as XGBoost writes it, its arrays of numbers read as wholes (ubjson.org, draft 12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_STRUCTS = {
    marker: struct.Struct(f">{code}")
    for marker, code in {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}.items()
}
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}


def parse(raw: bytes) -> object:
    """Return the value that the bytes hold: dict, list, str, number, bool or None; arrays of one type are numpy's.

    Raises
    ------
    ValueError : something that is not known here, or the end comes too early
    """
    try:
        return _Reader(raw).value()
    except (struct.error, IndexError) as error:
        raise ValueError(f"UBJSON: a whole value is needed; got {error}") from error


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0
        self._containers: dict[bytes, Callable[[], object]] = {b"{": self._object, b"[": self._array}

    def value(self) -> object:
        marker = self._take(1)
        if marker in _STRUCTS:
            return self._number(marker)
        if marker in self._containers:
            return self._containers[marker]()
        if marker == b"S":
            return self._text()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        raise ValueError(f"UBJSON: a known type is needed; got {marker!r} before byte {self._at}")

    def _take(self, size: int) -> bytes:
        piece = self._raw[self._at : self._at + size]
        if size < 0 or len(piece) < size:
            raise ValueError(f"UBJSON: {size} bytes are needed; got {len(piece)} from byte {self._at}")
        self._at += size
        return piece

    def _number(self, marker: bytes) -> int | float:
        kind = _STRUCTS[marker]
        number: int | float = kind.unpack_from(self._raw, self._at)[0]
        self._at += kind.size
        return number

    def _count(self) -> int:
        marker = self._take(1)
        if marker not in _STRUCTS:
            raise ValueError(f"UBJSON: a count is needed; got {marker!r} before byte {self._at}")
        return int(self._number(marker))

    def _text(self) -> str:
        return self._take(self._count()).decode("utf-8", "replace")

    def _next_is(self, marker: bytes) -> bool:
        found = self._raw.startswith(marker, self._at)
        self._at += found
        return found

    def _object(self) -> dict[str, object]:
        members: dict[str, object] = {}
        while not self._next_is(b"}"):
            name = self._text()
            members[name] = self.value()
        return members

    def _array(self) -> object:
        kind = self._take(1) if self._next_is(b"$") else None
        count = self._count() if self._next_is(b"#") else None
        if kind is not None:
            if count is None or kind not in _NUMBERS:
                raise ValueError(f"UBJSON: a counted array of numbers is needed; got one of {kind!r}")
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self._take(count * dtype.itemsize), dtype)
        if count is not None:
            return [self.value() for _ in range(count)]
        values = []
        while not self._next_is(b"]"):
            values.append(self.value())
        return values
