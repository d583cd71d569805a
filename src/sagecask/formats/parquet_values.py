"""A column of Parquet, whatever it holds, as one value a row: numbers, texts, times, arrays of numbers, their lists."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal)


def values(column: pa.Array) -> list[object]:
    """Return a value for each row, None for a null.

    A list of numbers is (n,) of their own type, or float64 where a null stands among them as NaN. A time without a zone
    is a datetime64, one with a zone a text that ends with its offset.

    Raises
    ------
    pyarrow.ArrowException : a value cannot be had in that form
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_one_of(column.type, _LISTS):
        return _lists(column)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return list(pc.strftime(column, "%Y-%m-%dT%H:%M:%S%z").to_pylist())
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        times = column.to_numpy(zero_copy_only=False)
        return [None if np.isnat(time) else time for time in times]
    return list(column.to_pylist())


def _is_one_of(kind: pa.DataType, tests: tuple[Any, ...]) -> bool:
    return any(test(kind) for test in tests)


def _lists(column: pa.Array) -> list[object]:
    # of this slice alone, the nulls left out
    inner = column.flatten()
    items = _numbers(inner) if _is_one_of(inner.type, _NUMBERS) else values(inner)
    lengths = pc.list_value_length(column)
    ends = np.cumsum([0, *pc.fill_null(lengths, 0).to_pylist()]).tolist()
    return [
        items[start:end] if length is not None else None
        for (start, end), length in zip(pairwise(ends), lengths.to_pylist(), strict=True)
    ]


def _numbers(column: pa.Array) -> NDArray[Any]:
    """Return (n,), NaN for a null."""
    if column.null_count or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        column = column.cast(pa.float64(), safe=False)
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers
