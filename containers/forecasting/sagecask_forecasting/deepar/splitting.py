"""Parts of a panel: some of its series, and its series up to some points before their end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.panel import Panel


def part_of(panel: Panel, start: int, stop: int) -> Panel:
    """Return the series from `start` to before `stop`."""
    chosen = slice(start, stop)
    lengths = panel.lengths[chosen]
    first, size = int(panel.lengths[:start].sum()), int(lengths.sum())
    # dynamic features are `ahead` points longer in each series
    before, more = first + panel.ahead * start, size + panel.ahead * len(lengths)
    return replace(
        panel,
        starts=panel.starts[chosen],
        lengths=lengths,
        values=panel.values[first : first + size],
        categories=panel.categories[chosen],
        dynamic=panel.dynamic[before : before + more],
    )


def chosen(panel: Panel, keep: NDArray[np.bool_]) -> Panel:
    """Return the series that (n_series,) `keep` marks."""
    return replace(
        panel,
        starts=panel.starts[keep],
        lengths=panel.lengths[keep],
        values=panel.values[np.repeat(keep, panel.lengths)],
        categories=panel.categories[keep],
        dynamic=panel.dynamic[np.repeat(keep, panel.lengths + panel.ahead)],
    )


def split(panel: Panel, horizon: int) -> tuple[Panel, NDArray[np.float32]]:
    """Part each series into what comes before its last points and those points.

    Parameters
    ----------
    panel : of series of at least `horizon` points, whose dynamic features end with the values

    Returns
    -------
    before : its dynamic features reach `horizon` points ahead
    last : (n_series, horizon) float32, NaN is missing
    """
    ends = np.cumsum(panel.lengths)
    places = ends[:, None] + np.arange(-horizon, 0)
    kept = np.ones(len(panel.values), bool)
    kept[places] = False
    before = replace(panel, lengths=panel.lengths - horizon, values=panel.values[kept], ahead=horizon)
    return before, panel.values[places]
