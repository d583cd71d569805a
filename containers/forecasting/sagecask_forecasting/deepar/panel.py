"""Many series of one frequency as a few flat arrays, from which windows are cut without a loop over series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask_forecasting.deepar.calendar import time_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.shape import Shape


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Series one behind the other.

    starts : (n_series,) datetime64, time of the first point of each
    lengths : (n_series,) int64, observed points of each, NaN included
    values : (sum of lengths,) float32, NaN is missing
    categories : (n_series, n_categories) int64
    dynamic : (sum of lengths + n_series * ahead, n_dynamic) float32, `ahead` points longer than the values
    ahead : points by which dynamic features reach beyond the values
    """

    starts: NDArray[np.datetime64]
    lengths: NDArray[np.int64]
    values: NDArray[np.float32]
    categories: NDArray[np.int64]
    dynamic: NDArray[np.float32]
    ahead: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each series begins among the values."""
        return np.cumsum(self.lengths) - self.lengths


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Pieces of series, each of `context` points and then `horizon` points to be forecast.

    history : (n, n_points) float32, at the points of `Reach`; a gap holds the last value known before it, and NaN
        stands where there is none, and for points after the series
    observed : (n, context + horizon) bool, of the window's own points
    features : (n, context + horizon, n_features) float32: of the calendar, the age, and dynamic ones
    categories : (n, n_categories) int64
    """

    history: NDArray[np.float32]
    observed: NDArray[np.bool_]
    features: NDArray[np.float32]
    categories: NDArray[np.int64]


class Cutter:
    """Cuts windows out of a panel."""

    def __init__(self, panel: Panel, shape: Shape) -> None:
        self._panel = panel
        self._frequency = shape.frequency
        self._reach = shape.reach.points
        self._steps = np.arange(-shape.context, shape.horizon)
        self._offsets = panel.offsets
        self._known = np.append(~np.isnan(panel.values), False)
        self._values = np.append(_filled(panel), np.float32(np.nan))
        self._dynamic_offsets = self._offsets + panel.ahead * np.arange(len(panel))

    def cut(self, series: NDArray[np.int64], at: NDArray[np.int64]) -> Windows:
        """Return windows whose first point to be forecast is point `at` (0 is the series' first) of `series`."""
        points = at[:, None] + self._steps
        return Windows(
            history=self._values[self._places(series, at[:, None] + self._reach)],
            observed=self._known[self._places(series, points)],
            features=self._features(series, points),
            categories=self._panel.categories[series],
        )

    def _places(self, series: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.int64]:
        # the last place stands for all points outside a series
        inside = (points >= 0) & (points < self._panel.lengths[series][:, None])
        return np.where(inside, points + self._offsets[series][:, None], len(self._values) - 1)

    def _features(self, series: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.float32]:
        starts = self._panel.starts[series] + points[:, 0] * self._frequency.step
        calendar = time_features(starts, self._frequency, points.shape[1])
        # points before the series have the age of its first
        age = np.log10(2.0 + np.maximum(points, 0), dtype=np.float32)[:, :, None]
        lengths = self._panel.lengths[series][:, None] + self._panel.ahead
        inside = (points >= 0) & (points < lengths)
        places = np.where(inside, points + self._dynamic_offsets[series][:, None], 0)
        width = self._panel.dynamic.shape[1]
        dynamic = (
            self._panel.dynamic[places] * inside[:, :, None] if width else np.empty((*points.shape, 0), np.float32)
        )
        return np.concatenate([calendar, age, dynamic], axis=2)


def _filled(panel: Panel) -> NDArray[np.float32]:
    """Return the values with gaps filled by the last one known before, NaN where there is none."""
    known = ~np.isnan(panel.values)
    places = np.arange(len(panel.values))
    last = np.maximum.accumulate(np.where(known, places, -1)) if len(places) else places
    first = np.repeat(panel.offsets, panel.lengths)
    return np.where(last >= first, panel.values[last], np.float32(np.nan))
