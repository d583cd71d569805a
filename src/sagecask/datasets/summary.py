"""What rows consist of, counted as they pass: the summary of a conversion and the head of an inspection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.formats import Batch

# labels of more values than this are a quantity rather than classes
MAX_CLASSES = 32


@dataclass(frozen=True, slots=True)
class Labels:
    """One label column; `counts` is value to rows, or None where there are more than `MAX_CLASSES` values."""

    minimum: float
    maximum: float
    mean: float
    counts: dict[float, int] | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over all rows; `non_zero` is the share of entries that are neither zero, absent nor missing, in [0, 1]."""

    rows: int
    features: int
    sparse: bool
    weighted: bool
    missing: int
    non_zero: float
    labels: tuple[Labels, ...]

    def facts(self) -> dict[str, object]:
        """Return the summary as JSON has it."""
        return {
            "rows": self.rows,
            "features": self.features,
            "sparse": self.sparse,
            "weights": self.weighted,
            "missing_values": self.missing,
            "non_zero_share": round(self.non_zero, 6),
            "labels": [
                {"minimum": each.minimum, "maximum": each.maximum, "mean": each.mean, "histogram": _named(each.counts)}
                for each in self.labels
            ],
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return the summary as a person reads it: what, and its value."""
        shown = [
            ("rows", f"{self.rows:,}"),
            ("features", f"{self.features:,} ({'sparse' if self.sparse else 'dense'})"),
            ("non-zero", f"{self.non_zero:.2%}"),
            ("missing", f"{self.missing:,} {'value' if self.missing == 1 else 'values'}"),
        ]
        if self.weighted:
            shown.append(("weights", "one a row"))
        if not self.labels:
            shown.append(("labels", "none"))
        for number, each in enumerate(self.labels, 1):
            shown.append(("label" if len(self.labels) == 1 else f"label {number}", described(each, self.rows)))
        return shown


def described(labels: Labels, rows: int) -> str:
    """Return a label column in words: its classes and their shares, or its range."""
    if labels.counts is None or len(labels.counts) > 10:
        return f"{labels.minimum:g} to {labels.maximum:g}, mean {labels.mean:.6g}"
    return ", ".join(f"{value:g}: {count:,} ({count / rows:.1%})" for value, count in sorted(labels.counts.items()))


class Tally:
    """Collects a `Summary` from batches; `rows` is how many there were so far."""

    def __init__(self) -> None:
        self.rows = self._features = self._stored = self._zeros = self._missing = 0
        self._sparse = self._weighted = False
        self._labels: list[_LabelTally] = []

    def add(self, batch: Batch) -> None:
        """Count a batch in; all batches have the same labels and weights."""
        values = batch.features if isinstance(batch.features, np.ndarray) else batch.features.data
        self.rows += len(batch)
        self._features = max(self._features, batch.width)
        self._sparse |= batch.sparse
        self._weighted |= batch.weights is not None
        self._stored += values.size
        self._zeros += values.size - int(np.count_nonzero(values))
        self._missing += int(np.count_nonzero(np.isnan(values)))
        if batch.labels is not None:
            columns = batch.labels.reshape(len(batch), -1).T
            self._labels = self._labels or [_LabelTally() for _ in columns]
            for tally, column in zip(self._labels, columns, strict=True):
                tally.add(column)

    def summary(self) -> Summary:
        """Return what was counted."""
        present = self._stored - self._zeros - self._missing
        cells = self.rows * self._features
        return Summary(
            rows=self.rows,
            features=self._features,
            sparse=self._sparse,
            weighted=self._weighted,
            missing=self._missing,
            non_zero=present / cells if cells else 0.0,
            labels=tuple(tally.labels(self.rows) for tally in self._labels),
        )


class _LabelTally:
    def __init__(self) -> None:
        self._counts: dict[float, int] | None = {}
        self._minimum, self._maximum, self._sum = np.inf, -np.inf, 0.0

    def add(self, column: NDArray[np.float32]) -> None:
        self._minimum = min(self._minimum, float(column.min()))
        self._maximum = max(self._maximum, float(column.max()))
        self._sum += float(column.sum(dtype=np.float64))
        if self._counts is None:
            return
        for value, count in zip(*(each.tolist() for each in np.unique(column, return_counts=True)), strict=True):
            self._counts[value] = self._counts.get(value, 0) + count
            if len(self._counts) > MAX_CLASSES:
                self._counts = None
                return

    def labels(self, rows: int) -> Labels:
        return Labels(self._minimum, self._maximum, self._sum / rows, self._counts)


def _named(counts: dict[float, int] | None) -> dict[str, int] | None:
    return None if counts is None else {f"{value:g}": count for value, count in sorted(counts.items())}
