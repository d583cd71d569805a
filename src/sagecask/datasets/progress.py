"""How far the reading of files is: a bar of bytes on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from types import TracebackType


class Progress:
    """Takes bytes as they are read; speaks on standard error, since standard output is for what was found."""

    def __init__(self, label: str, total: int, *, terminal: bool) -> None:
        self._label = label
        self._total = total
        self._done = self._said = 0
        self._stack = ExitStack()
        self._bar: Any = click.progressbar(length=total, label=label, file=sys.stderr) if terminal and total else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._stack.enter_context(self._bar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def advance(self, count: int) -> None:
        """Take that so many more bytes were read."""
        if self._bar is not None:
            self._bar.update(count)
            return
        self._done += count
        tenths = 10 * self._done // max(1, self._total)
        if tenths > self._said:
            self._said = tenths
            click.echo(f"{self._label}: {10 * tenths}% of {self._total:,} bytes read", err=True)
