"""Progress of a training job on a terminal, read from its metric lines; plain lines elsewhere."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# the opening of `sagecask.report.Report.round`; the platform's own log shows the tab as #011
_ROUND = re.compile(r"\[(\d+)\](?:\t|#011)(.*)")
# hyperparameters that say how many rounds a job has
_TOTALS = ("num_round", "epochs", "num_epochs")
_CLEAR_LINE = "\r\033[K"


def total_rounds(hyperparameters: Mapping[str, str]) -> int | None:
    """Return how many rounds the hyperparameters ask for, or None where they do not say."""
    given = (hyperparameters.get(name, "").strip('"') for name in _TOTALS)
    return next((int(text) for text in given if text.isascii() and text.isdigit() and int(text) > 0), None)


class Progress:
    """Shows log lines as they come, and a bar in place of the metric lines where there is a terminal and a total."""

    def __init__(self, total: int | None, *, terminal: bool) -> None:
        self._stack = ExitStack()
        self._bar: Any = None
        if total and terminal:
            self._bar = click.progressbar(length=total, label="rounds", item_show_func=lambda text: text or "")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._stack.enter_context(self._bar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def line(self, text: str) -> None:
        """Take one line of the job's log."""
        if self._bar is None:
            click.echo(text)
            return
        match = _ROUND.match(text)
        if match is None:
            click.echo(_CLEAR_LINE + text)
            self._bar.render_progress()
            return
        done = min(int(match[1]) + 1, self._bar.length)
        self._bar.update(max(0, done - self._bar.pos), match[2].replace("#011", " ").replace("\t", " "))
