"""Instances that are no rows of numbers, such as a time series with its start: JSON values with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Some instances of a channel, or those of a request.

    values : JSON values in their order; from Parquet a mapping a row, whose lists may be arrays
    places : what opens a message about each, e.g. `request body, instance 3`
    configuration : the request's own settings, empty in files and where a format has no place for them
    """

    values: list[object]
    places: list[str]
    configuration: Mapping[str, object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)
