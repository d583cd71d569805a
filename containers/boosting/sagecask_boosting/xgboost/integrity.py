"""A look whether UBJSON is whole, since the library's reader runs over the end of a file that is cut off.

Source: ubjson.org, draft 12: a marker, then its value; containers may name type (`$`) and count (`#`) of their items.
"""

from __future__ import annotations

_FIXED = {
    ord(marker): size
    for marker, size in {
        "Z": 0, "N": 0, "T": 0, "F": 0, "i": 1, "U": 1, "C": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8,
    }.items()
}  # fmt: skip
_INTEGERS = frozenset(b"iUIlL")
_TEXTS = frozenset(b"SH")
_ARRAY, _ARRAY_END, _OBJECT, _OBJECT_END, _TYPE, _COUNT = b"[]{}$#"
# models nest seven levels deep; the limit keeps a hostile file from using up the stack
_MAX_DEPTH = 64


def check_whole(raw: bytes) -> None:
    """Walk over one value.

    Raises
    ------
    ValueError : it is not UBJSON, or ends early
    """
    try:
        end = _value(raw, 0, 0)
    except IndexError as error:
        raise ValueError(f"ends early, after {len(raw)} bytes") from error
    if end > len(raw):
        raise ValueError(f"ends early, after {len(raw)} bytes")


def _value(raw: bytes, at: int, depth: int) -> int:
    """Return the offset behind the value whose marker is at `at`."""
    return _content(raw, raw[at], at + 1, depth)


def _content(raw: bytes, marker: int, at: int, depth: int) -> int:
    if marker in _FIXED:
        return at + _FIXED[marker]
    if marker in _TEXTS:
        return _text(raw, at)
    if marker in {_ARRAY, _OBJECT} and depth < _MAX_DEPTH:
        return _container(raw, at, depth + 1, keyed=marker == _OBJECT)
    raise ValueError(f"unknown marker {marker:#04x} before byte {at}")


def _container(raw: bytes, at: int, depth: int, *, keyed: bool) -> int:
    marker, count = None, None
    if raw[at] == _TYPE:
        marker, at = raw[at + 1], at + 2
    if raw[at] == _COUNT:
        count, at = _integer(raw, at + 1)
    elif marker is not None:
        # without a count the end could not be told from an item, and items of no bytes would never end
        raise ValueError(f"byte {at}: a count behind the type of the items; got {raw[at]:#04x}")
    if marker in _FIXED and count is not None and not keyed:
        return at + _FIXED[marker] * count
    end = _OBJECT_END if keyed else _ARRAY_END
    while count is None or count > 0:
        if count is None:
            if raw[at] == end:
                return at + 1
        else:
            count -= 1
        if keyed:
            at = _text(raw, at)
        at = _value(raw, at, depth) if marker is None else _content(raw, marker, at, depth)
    return at


def _text(raw: bytes, at: int) -> int:
    length, at = _integer(raw, at)
    return at + length


def _integer(raw: bytes, at: int) -> tuple[int, int]:
    """Return a count and the offset behind it."""
    marker = raw[at]
    if marker not in _INTEGERS:
        raise ValueError(f"byte {at}: a count; got marker {marker:#04x}")
    behind = at + 1 + _FIXED[marker]
    value = int.from_bytes(raw[at + 1 : behind], "big", signed=marker != ord("U"))
    if value < 0:
        raise ValueError(f"byte {at}: a count of at least 0; got {value}")
    return value, behind
