"""What series have beside their values: cat and dynamic_feat, of all of them or of none (deepar.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.instances import kind
from sagecask_forecasting.deepar.numbers import whole, without_gaps
from sagecask_forecasting.deepar.pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# values of one category that auto takes at most: larger ones are identifiers, and each would get an embedding
MOST_VALUES = 10**6

Ignored = Literal["ignore"]


class _Agreement:
    """How many of something every series has: what is demanded, else what the first one has."""

    def __init__(self, noun: str, count: int | None, reason: str) -> None:
        self.count = count
        self.reason = reason
        self._noun = noun

    def check(self, count: int, place: str, key: str) -> None:
        """Refuse another number.

        Raises
        ------
        DataError : it differs; names what it differs from
        """
        if self.count is None:
            self.count, self.reason = count, f"as in {place}"
        if count != self.count:
            are = "is" if self.count < 2 else "are"
            number = f"{self.count or 'no'} {self._noun}{'s' if self.count > 1 else ''}"
            raise DataError(f"{place}: {key}: {number} {are} needed, {self.reason}; got {count or 'none'}")


class Categories:
    """The values in `cat` of one series after the other.

    Parameters
    ----------
    cardinality : values of each category, where something has fixed them
    reason : what has, as the end of a sentence
    """

    def __init__(self, cardinality: tuple[int, ...] | None, reason: str) -> None:
        self._given = cardinality
        self._agreement = _Agreement("value", None if cardinality is None else len(cardinality), reason)
        self._rows: list[NDArray[np.int64]] = []

    def add(self, value: object, place: str, unseen: Sequence[frozenset[int]] = ()) -> None:
        """Take the value of one series; None is an absent one.

        Raises
        ------
        DataError : it is no whole number from 0 up nor a list of such, one of them is beyond the cardinality or among
            those `unseen` of its category, or there are more or fewer than in other series
        """
        row = np.empty(0, np.int64) if value is None else whole(value, f"{place}: cat")
        self._agreement.check(len(row), place, "cat")
        if self._given is not None and (row >= self._given).any():
            at = int(np.argmax(row >= self._given))
            raise DataError(
                f"{place}: cat, value {at + 1}: a whole number from 0 to {self._given[at] - 1} is needed, "
                f"{self._agreement.reason}; got {row[at]}"
            )
        for at, strange in enumerate(unseen):
            if row[at] in strange:
                raise DataError(
                    f"{place}: cat, value {at + 1}: a value that occurred in training is needed; got {row[at]}"
                )
        self._rows.append(row)

    def array(self) -> NDArray[np.int64]:
        """Return (n_series, n_categories)."""
        return np.stack(self._rows) if self._rows else np.empty((0, self._agreement.count or 0), np.int64)

    def cardinality(self, where: str) -> tuple[int, ...]:
        """Return how many values each category has: as given, else one more than the largest.

        Raises
        ------
        DataError : the largest is too large to be a category
        """
        if self._given is not None:
            return self._given
        largest = self.array().max(axis=0, initial=0)
        for at, value in enumerate(largest, 1):
            if value >= MOST_VALUES:
                raise DataError(
                    f"{where}: cat, value {at}: whole numbers counted from 0 and below {MOST_VALUES} are needed; "
                    f"got {value}"
                )
        return tuple(int(value) + 1 for value in largest)


class DynamicFeatures:
    """The feature series in `dynamic_feat` of one series after the other.

    Parameters
    ----------
    count : features of each series, where something has fixed them
    reason : what has, as the end of a sentence
    horizon : points to be forecast
    ahead : whether features have to reach to the end of the horizon; else they may, and are cut off
    """

    def __init__(self, count: int | None, reason: str, horizon: int, *, ahead: bool) -> None:
        self._agreement = _Agreement("feature", count, reason)
        self._horizon, self._ahead = horizon, ahead
        self._rows: Pieces | None = None

    def add(self, value: object, length: int, place: str) -> None:
        """Take the value of a series of `length` points; None is an absent one.

        Raises
        ------
        DataError : it is no list of lists of numbers of the length that is needed, or there are more or fewer of them
            than in other series
        """
        found = [] if value is None else value
        if not isinstance(found, (list, np.ndarray)):
            raise DataError(f"{place}: dynamic_feat: a list of lists of numbers is needed; got {kind(value)}")
        self._agreement.check(len(found), place, "dynamic_feat")
        if self._rows is None:
            self._rows = Pieces((len(found),))
        rows = np.empty((length + self._horizon if self._ahead else length, len(found)), np.float32)
        for number, each in enumerate(found, 1):
            rows[:, number - 1] = self._feature(each, length, f"{place}: dynamic_feat, feature {number}")
        self._rows.add(rows)

    def array(self) -> NDArray[np.float32]:
        """Return (points, n_features), the series one behind the other."""
        return (self._rows or Pieces((0,))).array()

    def _feature(self, value: object, length: int, where: str) -> NDArray[np.float32]:
        values = without_gaps(value, where)
        whole = length + self._horizon
        if len(values) != whole and (self._ahead or len(values) != length):
            needed = (
                f"as many values as target and prediction_length together ({whole}) are needed"
                if self._ahead
                else f"as many values as target ({length}) are needed, or with prediction_length more ({whole})"
            )
            raise DataError(f"{where}: {needed}; got {len(values)}")
        return values if self._ahead else values[:length]
