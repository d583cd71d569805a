"""Hyperparameter text to values: plain, JSON-encoded, or as Python prints them (contract 2.3, 19.18)."""

from __future__ import annotations

import ast
import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagecask.hyperparameters.declared import Kind


def unquote(text: str) -> str:
    r"""Undo JSON encoding of a text, as often as it was applied.

    >>> unquote('"\\"adam\\""')
    'adam'
    """
    while len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            decoded = json.loads(text)
        except ValueError:
            return text
        if not isinstance(decoded, str):
            return text
        text = decoded
    return text


def typed(text: str, kind: Kind) -> object:
    """Return the value of an unquoted text.

    Raises
    ------
    ValueError : the text is none of that kind
    """
    text = text.strip()
    if kind == "integer":
        return int(text)
    if kind == "float":
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("not finite")
        return value
    if kind == "boolean":
        return _boolean(text)
    if kind == "list":
        return _entries(text)
    if kind == "json":
        return _literal(text)
    if kind == "categorical" and text.lower() in {"true", "false"}:
        # the general Estimator sends str(True), the closed containers know lower case
        return text.lower()
    return text


def _boolean(text: str) -> bool:
    lower = text.lower()
    if lower not in {"true", "false", "1", "0"}:
        raise ValueError("neither true nor false")
    return lower in {"true", "1"}


def _entries(text: str) -> tuple[object, ...]:
    if text[:1] in {"[", "("}:
        value = _literal(text)
        entries = value if isinstance(value, list | tuple) else (value,)
    else:
        entries = [part.strip() for part in text.split(",")]
    if not entries or any(isinstance(entry, str) and not entry for entry in entries):
        raise ValueError("an empty entry")
    return tuple(entries)


def _literal(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("neither JSON nor a Python literal") from error
