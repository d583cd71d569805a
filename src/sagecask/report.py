"""Metric lines in the textual form that the platform's regular expressions read, and those expressions."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


class Report:
    """Writes metric lines to standard output, each at once and whole."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def round(self, index: int, values: Mapping[str, float]) -> None:
        """Write `[index]`, then a tab and `name:value` with five decimals for each value (boosting, by round).

        Names are `train-rmse`, `validation-rmse` and the like. The platform's log shows the tab as `#011`.
        """
        pairs = "".join(f"\t{name}:{value:.5f}" for name, value in values.items())
        self._line(f"[{index}]{pairs}")

    def _line(self, text: str) -> None:
        stream = self._stream or sys.stdout
        stream.write(text + "\n")
        stream.flush()


def round_pattern(metric: str) -> str:
    """Return the expression that reads `validation:auc` from a line of `Report.round`.

    It takes the tab as itself (containers run by hand) and as `#011` (the platform's log).
    """
    return rf"\[\d+\].*(?:\t|#011){re.escape(metric.replace(':', '-', 1))}:([^\s#]+)"
