"""Frequencies, time stamps and what a point in time says of itself (deepar_how-it-works.md, "feature time series").

Time stamps are numpy.datetime64 without a zone; a series is its start and a frequency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.instances import kind

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

Unit = Literal["M", "W", "D", "H", "min"]

# six digits: that many months are still years that a time stamp can hold
_FREQUENCY = re.compile(r"([0-9]{0,6})(M|W|D|H|min)")
_START = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)(?:\.([0-9]+))?(.*)")
_ZONE = re.compile(r"Z|[+-][0-9]{2}(:?[0-9]{2}){0,2}| ?[A-Za-z]+(/[A-Za-z_]+)*")
_STEPS: dict[Unit, np.timedelta64] = {
    "M": np.timedelta64(1, "M"),
    "W": np.timedelta64(7, "D"),
    "D": np.timedelta64(1, "D"),
    "H": np.timedelta64(60, "m"),
    "min": np.timedelta64(1, "m"),
}
_BORDERS: dict[Unit, tuple[str, str]] = {"W": ("M8[D]", "day"), "D": ("M8[D]", "day"), "H": ("M8[h]", "hour")}
_WHOLE_MINUTE = "M8[m]", "minute"
_DAY_MINUTES = 24 * 60
# after that the calendar begins anew, on the same day of the week
_CYCLE_DAYS = 400 * 365 + 97


@dataclass(frozen=True, slots=True)
class Frequency:
    """`multiple` units between two points, such as 5 of `min`."""

    multiple: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Frequency | None:
        """Read `5min`, `H` and the like; None is what it is not.

        >>> Frequency.parse("2H"), Frequency.parse("Q")
        (Frequency(multiple=2, unit='H'), None)
        """
        found = _FREQUENCY.fullmatch(text)
        multiple = int(found[1] or 1) if found else 0
        return cls(multiple, cast("Unit", found[2])) if found and multiple else None

    def __str__(self) -> str:
        return f"{self.multiple if self.multiple > 1 else ''}{self.unit}"

    @property
    def step(self) -> np.timedelta64:
        """Time between two points, in the unit of `dtype`."""
        return self.multiple * _STEPS[self.unit]

    @property
    def dtype(self) -> DTypeLike:
        """Type of time stamps: months for M, days for W and D, else minutes."""
        return {"M": "M8[M]", "W": "M8[D]", "D": "M8[D]"}.get(self.unit, "M8[m]")

    @property
    def steps_a_day(self) -> float:
        """Points a day; below one for a slower frequency."""
        days = {"M": 30.4375, "W": 7.0, "D": 1.0, "H": 1 / 24, "min": 1 / 1440}
        return 1 / (days[self.unit] * self.multiple)

    def start(self, value: object, where: str) -> np.datetime64:
        """Return the first point of a series, given as text or as a datetime64.

        Any time stands for its month. Weeks may begin on any day, and several units at any of them: 2H at 01:00.

        Raises
        ------
        DataError : the value is no time stamp, has a zone, or lies between two minutes, hours or days
        """
        exact = value if isinstance(value, np.datetime64) else _time(value, where)
        if self.unit == "M":
            return _as(exact, "M8[M]")
        border, word = _BORDERS.get(self.unit, _WHOLE_MINUTE)
        if exact.astype(border) != exact:
            raise DataError(f"{where}: start on a full {word} is needed with time_freq {self}; got {_shown(value)}")
        return _as(exact, self.dtype)


def _as(time: np.datetime64, dtype: DTypeLike) -> np.datetime64:
    found: np.datetime64 = time.astype(dtype)
    return found


def _time(value: object, where: str) -> np.datetime64:
    """Return a text's time, to the second or finer."""
    found = _START.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or (found[3] and not _ZONE.fullmatch(found[3])):
        raise DataError(f'{where}: start as "YYYY-MM-DD HH:MM:SS" is needed; got {_shown(value)}')
    if found[3]:
        raise DataError(f"{where}: start without a time zone is needed; got {_shown(value)}")
    fraction = (found[2] or "").rstrip("0")
    try:
        # a second's part beyond nanoseconds only has to be there
        return np.datetime64(f"{found[1].replace(' ', 'T')}", "s") + np.timedelta64(1 if fraction else 0, "ms")
    except ValueError as error:
        raise DataError(f"{where}: start as a date of the calendar is needed; got {_shown(value)}") from error


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, np.datetime64) else kind(value)


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
    starts : (n,) of the frequency's dtype

    Returns
    -------
    (n, length, n_features) float32, in the order of `feature_names`
    """
    step = int(frequency.step.astype(np.int64))
    times = starts.astype(frequency.dtype).astype(np.int64)[:, None] + np.arange(length) * step
    if frequency.unit == "M":
        return _share(times % 12, 11)[:, :, None]
    days = times if frequency.unit in {"W", "D"} else times // _DAY_MINUTES
    of_day: NDArray[np.float32] = _by_day(feature_names(frequency))[days % _CYCLE_DAYS]
    if frequency.unit in {"W", "D"}:
        return of_day
    minutes = times - days * _DAY_MINUTES
    hours = minutes // 60
    clock = [_share(hours, 23)] if frequency.unit == "H" else [_share(minutes - hours * 60, 59), _share(hours, 23)]
    return np.concatenate([*(part[:, :, None] for part in clock), of_day], axis=2)


@cache
def _by_day(names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return (days of a cycle, n) float32, those of the features that depend on the day alone; day 0 began 1970."""
    days = np.arange(_CYCLE_DAYS).astype("M8[D]")
    # day 0 was a Thursday, and Monday counts 0
    weekday = (days.astype(np.int64) + 3) % 7
    # a week is that of its Thursday (ISO 8601)
    parts = {
        "day of week": _share(weekday, 6),
        "day of month": _share(_days_since(days, "M8[M]"), 30),
        "day of year": _share(_days_since(days, "M8[Y]"), 365),
        "week of year": _share(_days_since(days - weekday.astype("m8[D]") + 3, "M8[Y]") // 7, 52),
    }
    return np.stack([parts[name] for name in names if name in parts], axis=1)


def _days_since(days: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    """Return days since the first of the month or year."""
    since: NDArray[np.int64] = (days - days.astype(unit).astype("M8[D]")).astype(np.int64)
    return since


def _share(part: NDArray[np.int64], largest: int) -> NDArray[np.float32]:
    share: NDArray[np.float32] = part.astype(np.float32) / np.float32(largest) - np.float32(0.5)
    return share
