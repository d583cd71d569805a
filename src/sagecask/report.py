"""Metric lines in the textual form that the platform's regular expressions read, and those expressions."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["loss", "score"]
"""Whether less of a metric is better, or more."""


class Report:
    """Writes metric lines to standard output, each at once and whole.

    host : name of this host, which lines of the `#` form carry
    """

    def __init__(self, host: str = "localhost", stream: TextIO | None = None) -> None:
        self._host = host
        self._stream = stream

    def round(self, index: int, values: Mapping[str, float]) -> None:
        """Write `[index]`, then a tab and `name:value` with five decimals for each value (boosting, by round).

        Names are `train-rmse`, `validation-rmse` and the like. The platform's log shows the tab as `#011`.
        """
        pairs = "".join(f"\t{name}:{value:.5f}" for name, value in values.items())
        self._line(f"[{index}]{pairs}")

    def quality(
        self,
        channel: str,
        metric: str,
        kind: Kind,
        value: float,
        *,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Write `#quality_metric: host=algo-1, epoch=3, train mse_objective <loss>=0.38` (first-party algorithms).

        Without `epoch` the line is that of the final model; `batch` stands behind it without a comma.
        """
        place = "" if epoch is None else f"epoch={epoch}, "
        place += "" if batch is None else f"batch={batch} "
        self._line(f"#quality_metric: host={self._host}, {place}{channel} {metric} <{kind}>={float(value)!r}")

    def score(self, channel: str, metric: str, value: float) -> None:
        """Write `#test_score (algo-1) : ('mse', 85617.1)` (first-party algorithms)."""
        self._line(f"#{channel}_score ({self._host}) : ({metric!r}, {float(value)!r})")

    def named_score(self, channel: str, metric: str, value: float) -> None:
        """Write `#test_score (algo-1, RMSE): 0.302` (forecasting)."""
        self._line(f"#{channel}_score ({self._host}, {metric}): {float(value)!r}")

    def early_stopping(self, criterion: str, value: float, *, epoch: int) -> None:
        """Write the value that early stopping watches after an epoch."""
        self._line(
            f"#early_stopping_criteria_metric: host={self._host}, epoch={epoch}, criteria={criterion}, "
            f"value={float(value)!r}"
        )

    def progress(self, done: int, total: int) -> None:
        """Write how many of the epochs are done, in whole per cent."""
        self._line(f"#progress_metric: host={self._host}, completed {100 * done // total} % of epochs")

    def throughput(self, rows_per_second: float) -> None:
        """Write how fast this host trained."""
        self._line(f"#throughput_metric: host={self._host}, train throughput={float(rows_per_second)!r} records/second")

    def _line(self, text: str) -> None:
        stream = self._stream or sys.stdout
        stream.write(text + "\n")
        stream.flush()


class SilentReport(Report):
    """Writes nothing, for processes that have what another one writes."""

    def _line(self, text: str) -> None:
        pass


def round_pattern(metric: str) -> str:
    """Return the expression that reads `validation:auc` from a line of `Report.round`.

    It takes the tab as itself (containers run by hand) and as `#011` (the platform's log).
    """
    return rf"\[\d+\].*(?:\t|#011){re.escape(metric.replace(':', '-', 1))}:([^\s#]+)"


def quality_pattern(channel: str, metric: str, kind: Kind, *, epoch: bool = False) -> str:
    r"""Return the expression that reads a line of `Report.quality`: those of epochs, or those of the final model.

    `metric` is itself an expression, for names that carry a setting (`binary_f_\S+`).
    """
    place = r"epoch=\S+, " if epoch else ""
    return rf"#quality_metric: host=\S+, {place}{channel} {metric} <{kind}>=(\S+)"
