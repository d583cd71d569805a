"""Frequencies, time stamps and what a point in time says of itself (deepar_how-it-works.md, "feature time series").

Time stamps are numpy.datetime64 without a zone; a series is its start and a frequency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Unit = Literal["M", "W", "D", "H", "min"]
Times = "NDArray[np.datetime64]"

_FREQUENCY = re.compile(r"(\d*)(M|W|D|H|min)")
_START = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.0+)?)?)?")
_STEPS: dict[Unit, np.timedelta64] = {
    "M": np.timedelta64(1, "M"),
    "W": np.timedelta64(7, "D"),
    "D": np.timedelta64(1, "D"),
    "H": np.timedelta64(1, "h"),
    "min": np.timedelta64(1, "m"),
}
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Frequency:
    """`multiple` units between two points, such as 5 of `min`."""

    multiple: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Frequency | None:
        """Read `5min`, `H` and the like; None is what it is not."""
        found = _FREQUENCY.fullmatch(text)
        if found is None or found[1] and int(found[1]) == 0:
            return None
        return cls(int(found[1] or 1), found[2])  # type: ignore[arg-type] - the expression has these units alone

    def __str__(self) -> str:
        return f"{self.multiple if self.multiple > 1 else ''}{self.unit}"

    @property
    def step(self) -> np.timedelta64:
        """Time between two points, in months or a shorter unit."""
        return self.multiple * _STEPS[self.unit]

    @property
    def steps_a_day(self) -> float:
        """Points a day; below one for a slower frequency."""
        days = {"M": 30.4375, "W": 7.0, "D": 1.0, "H": 1 / 24, "min": 1 / 1440}
        return 1 / (days[self.unit] * self.multiple)

    def start(self, text: object, where: str) -> np.datetime64:
        """Return the first point of a series: a month for M, a day for W and D, else a minute.

        Raises
        ------
        DataError : the text is no time stamp without a zone, or not on a border of the unit
        """
        if not isinstance(text, str) or not _START.fullmatch(text.strip()):
            raise DataError(f'{where}: start as "YYYY-MM-DD HH:MM:SS" is needed; got {text!r}')
        try:
            exact = np.datetime64(text.strip().replace(" ", "T"), "s")
        except ValueError as error:
            raise DataError(f"{where}: start as a date of the calendar is needed; got {text!r}") from error
        border = exact.astype({"M": "M8[M]", "W": "M8[D]", "D": "M8[D]", "H": "M8[h]", "min": "M8[m]"}[self.unit])
        # any day stands for its month
        if self.unit != "M" and border != exact:
            word = {"W": "day", "D": "day", "H": "hour", "min": "minute"}[self.unit]
            raise DataError(f"{where}: start on a full {word} is needed with time_freq {self}; got {text!r}")
        return border if self.unit in {"M", "W", "D"} else exact.astype("M8[m]")


def feature_names(frequency: Frequency) -> tuple[str, ...]:
    """Return what is known of a point in time at a frequency."""
    return {
        "min": ("minute of hour", "hour of day", "day of week", "day of month", "day of year"),
        "H": ("hour of day", "day of week", "day of month", "day of year"),
        "D": ("day of week", "day of month", "day of year"),
        "W": ("day of month", "week of year"),
        "M": ("month of year",),
    }[frequency.unit]


def time_features(starts: NDArray[np.datetime64], frequency: Frequency, length: int) -> NDArray[np.float32]:
    """Return the features of the first points of several series, each in [-0.5, 0.5].

    Parameters
    ----------
    starts : (n,) of the frequency's unit

    Returns
    -------
    (n, length, n_features) float32, in the order of `feature_names`
    """
    times = starts[:, None] + np.arange(length) * frequency.step
    return np.stack([_FEATURES[name](times) for name in feature_names(frequency)], axis=-1).astype(np.float32)


def _share(part: NDArray[np.timedelta64], unit: np.timedelta64, largest: int) -> NDArray[np.float64]:
    return (part // unit) / largest - 0.5


def _of_day(times: NDArray[np.datetime64]) -> NDArray[np.timedelta64]:
    return times - times.astype("M8[D]")


def _day_of_year(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return _share(times.astype("M8[D]") - times.astype("M8[Y]").astype("M8[D]"), _DAY, 365)


def _week_of_year(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    # the week is that of its Thursday, counted from the year's first day (ISO 8601)
    days = times.astype("M8[D]")
    thursday = days + (3 - (days.astype(np.int64) + 3) % 7).astype("m8[D]")
    return _share(thursday - thursday.astype("M8[Y]").astype("M8[D]"), np.timedelta64(7, "D"), 52)


_FEATURES = {
    "minute of hour": lambda times: _share(_of_day(times) % np.timedelta64(1, "h"), np.timedelta64(1, "m"), 59),
    "hour of day": lambda times: _share(_of_day(times), np.timedelta64(1, "h"), 23),
    # day 0 of the calendar was a Thursday
    "day of week": lambda times: ((times.astype("M8[D]").astype(np.int64) + 3) % 7) / 6 - 0.5,
    "day of month": lambda times: _share(times.astype("M8[D]") - times.astype("M8[M]").astype("M8[D]"), _DAY, 30),
    "day of year": _day_of_year,
    "week of year": _week_of_year,
    "month of year": lambda times: (times.astype("M8[M]").astype(np.int64) % 12) / 11 - 0.5,
}
