"""Lists of numbers in JSON, or arrays of them from Parquet, to arrays; with gaps or without (deepar-in-formats.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.instances import kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GAP = "NaN"
_NUMBERS = frozenset({int, float})
_FLAGS = _NUMBERS | {bool}
_GAPPED = _NUMBERS | {type(None), str}
_OR_GAP = f'a number, null or "{GAP}"'
_MOST = 2**31 - 1


def with_gaps(value: object, where: str) -> NDArray[np.float32]:
    """Return (n,), NaN where null, "NaN" or NaN stands.

    Raises
    ------
    DataError : it is no list of numbers and gaps, or one of them is infinite; names the point, from 1
    """
    found = _array(value, where)
    if found is None:
        values = _list(value, where)
        kinds = set(map(type, values))
        # a set of all values costs less than a look at each
        if not kinds <= _GAPPED or (str in kinds and {each for each in set(values) if type(each) is str} != {GAP}):
            _refuse(values, _is_number_or_gap, where, _OR_GAP)
        found = _converted(values, where)
    return _single(found, where)


def without_gaps(value: object, where: str) -> NDArray[np.float32]:
    """Return (n,); true and false are 1 and 0.

    Raises
    ------
    DataError : it is no list of finite numbers; names the point, from 1
    """
    found = _array(value, where)
    if found is None:
        values = _list(value, where)
        if not set(map(type, values)) <= _FLAGS:
            _refuse(values, lambda each: type(each) in _FLAGS, where, "a number")
        found = _converted(values, where)
    if np.isnan(found).any():
        raise DataError(f"{where}, point {_first(np.isnan(found))}: a number is needed; got nan")
    return _single(found, where)


def whole(value: object, where: str) -> NDArray[np.int64]:
    """Return (n,) of a list of whole numbers from 0 up, or of one alone.

    Raises
    ------
    DataError : it is something else; names the value, from 1
    """
    values = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    values = values if isinstance(values, list) else [values]
    for number, each in enumerate(values, 1):
        # a data frame with a gap in the column writes 2 as 2.0
        if type(each) not in _NUMBERS or not 0 <= each <= _MOST or each != int(each):
            got = f"{each}" if type(each) is float or (type(each) is int and each < 0) else kind(each)
            raise DataError(f"{where}, value {number}: a whole number from 0 to {_MOST} is needed; got {got}")
    return np.array(values, np.int64)


def _is_number_or_gap(value: object) -> bool:
    return type(value) in _NUMBERS or value is None or (type(value) is str and value == GAP)


def _array(value: object, where: str) -> NDArray[np.float64] | None:
    """Return the array of a Parquet row in double precision; None is no array of numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        return None
    if value.ndim != 1:
        raise DataError(f"{where}: a list of numbers is needed; got {value.ndim} dimensions")
    return value.astype(np.float64, copy=False)


def _refuse(values: list[object], is_fine: Callable[[object], bool], where: str, needed: str) -> NoReturn:
    number, value = next((at, each) for at, each in enumerate(values, 1) if not is_fine(each))
    raise DataError(f"{where}, point {number}: {needed} is needed; got {kind(value)}")


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise DataError(f"{where}: a list of numbers is needed; got {kind(value)}")
    return value


def _converted(values: list[object], where: str) -> NDArray[np.float64]:
    try:
        return np.array(values, np.float64)
    except OverflowError as error:
        raise DataError(f"{where}: numbers that a double can hold are needed; got a larger one") from error


def _single(values: NDArray[np.float64], where: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    if np.isinf(found).any():
        place = _first(np.isinf(found))
        raise DataError(f"{where}, point {place}: a number that float32 holds is needed; got {values[place - 1]:g}")
    return found


def _first(faults: NDArray[np.bool_]) -> int:
    return int(np.argmax(faults)) + 1
