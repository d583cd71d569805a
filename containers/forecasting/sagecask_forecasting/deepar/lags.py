"""Which earlier values a forecast looks at: the last few, and those around one period of each season ago."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.calendar import Frequency

RECENT = range(1, 8)
# days of each season that a frequency can show, and how often it is looked back at
_SEASONS = {
    "min": ((1 / 24, 3), (1.0, 7), (7.0, 4)),
    "H": ((1.0, 7), (7.0, 4)),
    "D": ((7.0, 4), (365.25, 1)),
    "W": ((365.25, 3),),
    "M": ((365.25, 3),),
}


@cache
def lags(frequency: Frequency) -> tuple[int, ...]:
    """Return the lags of a frequency in points, ascending.

    Of every season the points before and after it count too, as calendars shift. The documentation names 1 to 3 days
    for hourly data, and 1 to 4 weeks and a year for daily data (deepar_how-it-works.md).
    """
    found = set(RECENT)
    for days, times in _SEASONS[frequency.unit]:
        for number in range(1, times + 1):
            centre = round(number * days * frequency.steps_a_day)
            found |= {lag for lag in (centre - 1, centre, centre + 1) if lag > RECENT[-1]}
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The points that windows look at, each once: `history[:, place + step]` is what a lag shows at a step.

    points : (n_points,) int64, ascending, relative to the first point to be forecast
    places : (n_lags,) int64, of each lag at a window's first step
    target : place of the window's own first point
    """

    points: NDArray[np.int64]
    places: NDArray[np.int64]
    target: int


@cache
def reach(lags: tuple[int, ...], context: int, horizon: int) -> Reach:
    """Return the reach of windows of `context` points followed by `horizon` points."""
    first = -context - np.array([*lags, 0])
    points = np.unique(first[:, None] + np.arange(context + horizon))
    places = np.searchsorted(points, first)
    return Reach(points, places[:-1], int(places[-1]))
