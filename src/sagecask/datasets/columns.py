"""Statistics of each column, in memory that does not grow with the rows; absent entries of sparse rows are zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sagecask.formats import Batch

BINS = 40


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `minimum`, `maximum` and `mean` are those of finite values, NaN where there are none."""

    name: str
    minimum: float
    maximum: float
    mean: float
    missing: int
    infinite: int
    zeros: int
    whole: bool

    @property
    def finite(self) -> bool:
        """Whether there is a finite value at all."""
        return not math.isnan(self.minimum)

    def facts(self) -> dict[str, object]:
        """Return the column as JSON has it, which knows no NaN."""
        low, mean, high = (self.minimum, self.mean, self.maximum) if self.finite else (None, None, None)
        return {
            "name": self.name,
            "minimum": low,
            "mean": mean,
            "maximum": high,
            "missing": self.missing,
            "infinite": self.infinite,
            "zeros": self.zeros,
        }

    def edges(self) -> NDArray[np.float64]:
        """Return the borders of its bins, at most `BINS`; as many whole numbers to each, or the plot shows a comb."""
        if not self.finite:
            return np.array([0.0, 1.0])
        span = self.maximum - self.minimum
        size = max(abs(self.minimum), abs(self.maximum))
        # beyond, a half is lost on a double
        if self.whole and size < 2**50:
            step = math.ceil((span + 1) / BINS)
            bins = math.ceil((span + 1) / step)
            return self.minimum - 0.5 + step * np.arange(bins + 1, dtype=np.float64)
        if span == 0:
            half = max(0.5, size / 1000)
            return np.array([self.minimum - half, self.minimum + half])
        return np.linspace(self.minimum, self.maximum, BINS + 1)


class ColumnTally:
    """Collects `Column`s from batches."""

    def __init__(self) -> None:
        self._rows = 0
        self._low = self._high = self._sum = np.empty(0)
        self._finite = self._missing = self._infinite = self._zeros = np.empty(0, dtype=np.int64)
        self._whole = np.empty(0, dtype=bool)

    @property
    def width(self) -> int:
        """Columns so far."""
        return len(self._low)

    def add(self, batch: Batch) -> None:
        """Count a batch in; a later one may be wider."""
        self._widen(batch.width)
        if isinstance(batch.features, np.ndarray):
            self._add_dense(batch.features)
        else:
            self._add_entries(batch.features.indices, batch.features.data)
        self._rows += len(batch)

    def columns(self, names: Sequence[str]) -> list[Column]:
        """Return what was counted."""
        # whatever was not given is zero
        absent = self._rows - self._finite - self._missing - self._infinite
        low = np.where(absent, np.minimum(self._low, 0), self._low)
        high = np.where(absent, np.maximum(self._high, 0), self._high)
        values = self._finite + absent
        with np.errstate(invalid="ignore"):
            mean = self._sum / values
        low, high = (np.where(values, each, np.nan) for each in (low, high))
        table = zip(names, low.tolist(), high.tolist(), mean.tolist(), self._missing.tolist(), self._infinite.tolist(),
                    (self._zeros + absent).tolist(), self._whole.tolist(), strict=True)  # fmt: skip
        return [Column(*row) for row in table]

    def _widen(self, width: int) -> None:
        more = width - self.width
        if more <= 0:
            return
        self._low = np.append(self._low, np.full(more, np.inf))
        self._high = np.append(self._high, np.full(more, -np.inf))
        self._sum = np.append(self._sum, np.zeros(more))
        none = np.zeros(more, dtype=np.int64)
        self._finite, self._missing, self._infinite, self._zeros = (
            np.append(each, none) for each in (self._finite, self._missing, self._infinite, self._zeros)
        )
        self._whole = np.append(self._whole, np.ones(more, dtype=bool))

    def _add_dense(self, table: NDArray[np.float32]) -> None:
        finite = np.isfinite(table)
        self._low = np.minimum(self._low, np.min(table, axis=0, where=finite, initial=np.inf))
        self._high = np.maximum(self._high, np.max(table, axis=0, where=finite, initial=-np.inf))
        self._sum = self._sum + np.sum(table, axis=0, where=finite, dtype=np.float64)
        missing = np.isnan(table).sum(axis=0)
        count = finite.sum(axis=0)
        self._finite = self._finite + count
        self._missing = self._missing + missing
        self._infinite = self._infinite + len(table) - count - missing
        self._zeros = self._zeros + (table == 0).sum(axis=0)
        self._whole = self._whole & ((np.floor(table) == table) | ~finite).all(axis=0)

    def _add_entries(self, keys: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        width = self.width
        finite, missing = np.isfinite(values), np.isnan(values)
        self._missing = self._missing + np.bincount(keys[missing], minlength=width)
        self._infinite = self._infinite + np.bincount(keys[~finite & ~missing], minlength=width)
        keys, values = keys[finite], values[finite]
        np.minimum.at(self._low, keys, values)
        np.maximum.at(self._high, keys, values)
        self._sum = self._sum + np.bincount(keys, weights=values, minlength=width)
        self._finite = self._finite + np.bincount(keys, minlength=width)
        self._zeros = self._zeros + np.bincount(keys[values == 0], minlength=width)
        np.logical_and.at(self._whole, keys, np.floor(values) == values)


class Histograms:
    """Counts the finite values of the first columns in bins; a second pass, since bins need minimum and maximum."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.edges = [column.edges() for column in columns]
        self._bins = np.array([len(each) - 1 for each in self.edges])
        self._low = np.array([each[0] for each in self.edges])
        self._scale = self._bins / np.array([each[-1] - each[0] for each in self.edges])
        self._counts = np.zeros((len(columns), BINS), dtype=np.int64)

    def add(self, batch: Batch) -> None:
        """Count a batch in."""
        shown = min(len(self._bins), batch.width)
        part = batch.features[:, :shown]
        if isinstance(part, np.ndarray):
            self._count(np.tile(np.arange(shown), len(part)), part.ravel())
            return
        self._count(part.indices, part.data)
        absent = len(batch) - np.bincount(part.indices, minlength=shown)
        at = self._bin(np.arange(shown), np.zeros(shown))
        np.add.at(self._counts, (np.arange(shown), at), absent)

    def counts(self) -> list[list[int]]:
        """Return the rows in each bin of each column."""
        return [row[:bins].tolist() for row, bins in zip(self._counts, self._bins, strict=True)]

    def _count(self, keys: NDArray[np.integer], values: NDArray[np.float32]) -> None:
        finite = np.isfinite(values)
        keys, values = keys[finite], values[finite]
        flat = keys * BINS + self._bin(keys, values)
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)

    def _bin(self, keys: NDArray[np.integer], values: NDArray[np.floating]) -> NDArray[np.int64]:
        places = np.floor((values - self._low[keys]) * self._scale[keys]).astype(np.int64)
        clipped: NDArray[np.int64] = np.clip(places, 0, self._bins[keys] - 1)
        return clipped
