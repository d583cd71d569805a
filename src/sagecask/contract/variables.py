"""Environment variables, read once from a mapping into typed values; every wrong one is a UsageError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def integer(environ: Mapping[str, str], names: tuple[str, ...], default: int, minimum: int = 0) -> int:
    """Return the first of `names` that is set and not empty.

    Raises
    ------
    UsageError : it is no whole number of at least `minimum`
    """
    for name in names:
        text = environ.get(name, "").strip()
        if text:
            if not text.isascii() or not text.isdigit() or int(text) < minimum:
                raise UsageError(f'environment: variable {name} must be an integer of at least {minimum}; got "{text}"')
            return int(text)
    return default


def boolean(environ: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Return `true` or `false` (any case, or 1 and 0) as a bool; `default` when unset or empty.

    Raises
    ------
    UsageError : it is anything else
    """
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in {"true", "false", "1", "0"}:
        raise UsageError(f'environment: variable {name} must be "true" or "false"; got "{environ[name]}"')
    return text in {"true", "1"}


def listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return a comma-separated list without blanks and empty entries."""
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
