"""Answers on their way from a model to bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Column = NDArray[np.generic] | Sequence[object]


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How one algorithm's answers look where the formats leave a choice.

    outer_key : key of the list in JSON; None sends a bare list of objects
    csv_lists : a list value in CSV as more cells of the row (`flat`), as one quoted cell (`quoted`) or as a
        bare JSON list (`bracketed`)
    csv_final_newline : whether a newline follows the last CSV row
    csv_between_rows : what stands between two CSV rows
    bare_values : whether JSON has the value of the first column in place of an object per row
    compact_lines : whether JSON Lines have sorted keys and no spaces
    """

    outer_key: str | None = "predictions"
    csv_lists: Literal["flat", "quoted", "bracketed"] = "flat"
    csv_final_newline: bool = True
    csv_between_rows: str = "\n"
    bare_values: bool = False
    compact_lines: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Named columns of equal length, one row per record of the request in its order.

    columns : name to (n_rows,) numbers or texts, (n_rows, k) for a list of fixed length, or a sequence of
        lists of their own lengths or of mappings
    form : how the formats are to lay them out
    """

    columns: Mapping[str, Column]
    form: AnswerForm = field(default_factory=AnswerForm)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def plain(self) -> dict[str, list[object]]:
        """Return the columns as Python's own numbers, texts, lists and dicts; a float32 keeps its exact value."""
        return {name: _plain_list(column) for name, column in self.columns.items()}

    def records(self) -> list[dict[str, object]]:
        """Return one object per row, its keys in the order of the columns."""
        columns = self.plain()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain_list(values: Column) -> list[object]:
    return list(values.tolist() if isinstance(values, np.ndarray) else map(_plain, values))


def _plain(value: object) -> object:
    if isinstance(value, (np.ndarray, list, tuple)):
        return _plain_list(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value
