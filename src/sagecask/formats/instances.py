"""One instance of the common JSON request, in every form that the guide allows (cdf-inference.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.lines import quote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.formats.rows import Rows

# json gives a bool for true; data frames with indicator columns send those
_NUMBERS = frozenset({int, float, bool})
_MISSING = _NUMBERS | {type(None)}


def add_features(instance: object, rows: Rows, where: str) -> None:
    """Append an instance's features: a list, `features`, or `data.features` with `values` and maybe `keys`, `shape`.

    Raises
    ------
    DataError : the instance has none of these forms, or a value is no number
    """
    features = instance if isinstance(instance, list) else _find(instance, where)
    if isinstance(features, dict):
        values = _list(features.get("values"), "values", where)
        if "keys" in features or "shape" in features:
            keys = _whole(features.get("keys"), "keys", where)
            shape = _whole(features.get("shape"), "shape", where)
            if len(shape) != 1:
                raise DataError(f"{where}: a shape of one number is needed; got {len(shape)}")
            rows.add_sparse(keys, checked(values, where), shape[0], where)
            return
        features = values
    rows.add_dense(checked(_list(features, "features", where), where), where)


def label(instance: object, where: str) -> NDArray[np.float32] | None:
    """Return an instance's labels, (label_size,) float32: a number or a list under `label`; None without the key.

    Raises
    ------
    DataError : a label is no number
    """
    if not isinstance(instance, dict) or "label" not in instance:
        return None
    value = instance["label"]
    if isinstance(value, dict):
        value = value.get("values")
    values = value if isinstance(value, list) else [value]
    if not values or not set(map(type, values)) <= _NUMBERS:
        raise DataError(f"{where}, label: a number or a list of numbers is needed; got {kind(value)}")
    with np.errstate(over="ignore"):
        return np.array(checked(values, where), dtype=np.float32)


def checked(values: list[object], where: str) -> list[float | None]:
    """Return `values` when all of them are numbers or None (missing).

    Raises
    ------
    DataError : one is not; names its position from 1
    """
    if not set(map(type, values)) <= _MISSING:
        position, value = next((at, each) for at, each in enumerate(values, 1) if type(each) not in _MISSING)
        raise DataError(f"{where}, value {position}: a number is needed; got {kind(value)}")
    numbers = cast("list[float | None]", values)
    if int not in set(map(type, values)):
        return numbers
    try:
        return [None if each is None else float(each) for each in numbers]
    except OverflowError as error:
        raise DataError(f"{where}: numbers that a double can hold are needed; got a larger one") from error


def kind(value: object) -> str:
    """Name a value of JSON or Parquet for a message: a short text as it is, anything else by its type."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return "a list" if value.ndim else "a time" if value.dtype.kind == "M" else "a number"
    names = {dict: "an object", list: "a list", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _find(instance: object, where: str) -> object:
    if isinstance(instance, dict):
        if "features" in instance:
            return instance["features"]
        data = instance.get("data")
        if isinstance(data, dict) and "features" in data:
            return data["features"]
    keys = f" with {', '.join(map(quote, list(instance)[:5])) or 'no key'}" if isinstance(instance, dict) else ""
    raise DataError(
        f'{where}: a list of numbers or an object with "features" or "data.features" is needed; '
        f"got {kind(instance)}{keys}"
    )


def _list(value: object, key: str, where: str) -> list[object]:
    if not isinstance(value, list):
        raise DataError(f'{where}: a list under "{key}" is needed; got {kind(value)}')
    return value


def _whole(value: object, key: str, where: str) -> list[int]:
    values = [value] if type(value) is int else _list(value, key, where)
    if not set(map(type, values)) <= {int}:
        raise DataError(f'{where}: whole numbers under "{key}" are needed; got another value')
    return cast("list[int]", values)
