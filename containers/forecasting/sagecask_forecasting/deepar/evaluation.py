"""The test channel: how well the last points of its series are forecast from those before (deepar.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError
from sagecask.metrics import quantile_loss, rmse
from sagecask_forecasting.deepar.splitting import chosen, split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sagecask.report import Report
    from sagecask_forecasting.deepar.model import DeepARModel
    from sagecask_forecasting.deepar.panel import Panel


@dataclass(frozen=True, slots=True)
class Scores:
    """Measures over all observed points that were to be forecast.

    rmse : of the mean forecast
    absolute : twice the summed quantile loss of each level
    size : sum of absolute values
    """

    rmse: float
    absolute: dict[float, float]
    size: float

    @property
    def weighted(self) -> dict[float, float]:
        """Quantile loss of each level in sizes of the values; NaN where all of them are zero."""
        return {level: loss / self.size if self.size else math.nan for level, loss in self.absolute.items()}

    def tell(self, report: Report) -> None:
        """Write the scores, in the order of the original's log."""
        absolute, weighted = list(self.absolute.values()), list(self.weighted.values())
        report.named_score("test", "RMSE", self.rmse)
        report.named_score("test", "mean_absolute_QuantileLoss", float(np.mean(absolute)))
        report.named_score("test", "mean_wQuantileLoss", float(np.mean(weighted)))
        for level, loss in self.weighted.items():
            report.named_score("test", f"wQuantileLoss[{level}]", loss)
        report.quality("test", "RMSE", "loss", self.rmse)
        report.quality("test", "mean_wQuantileLoss", "loss", float(np.mean(weighted)))


def testable(panel: Panel, horizon: int) -> Panel:
    """Return the series of the test channel that have as many points as are forecast.

    Raises
    ------
    DataError : no series has a known value among its last points
    """
    long = chosen(panel, panel.lengths >= horizon)
    if np.isnan(split(long, horizon)[1]).all():
        raise DataError(
            f'channel "test": a known value among the last prediction_length ({horizon}) points of a series is needed; '
            "got none"
        )
    return long


def scores(
    model: DeepARModel, panel: Panel, num_samples: int, levels: Sequence[float], stop_requested: Callable[[], bool]
) -> Scores | None:
    """Forecast the last points of each series and compare, missing points left out; None once a stop is asked for."""
    before, actual = split(panel, model.shape.horizon)
    means, quantiles = [], []
    for paths in model.paths(before, num_samples):
        if stop_requested():
            return None
        means.append(paths.mean(axis=1, dtype=np.float64))
        quantiles.append(np.quantile(paths, levels, axis=1))
    known = ~np.isnan(actual)
    labels: NDArray[np.float32] = actual[known]
    by_level = np.concatenate(quantiles, axis=1)
    return Scores(
        rmse(labels, np.concatenate(means)[known]),
        {level: quantile_loss(labels, each[known], level) for level, each in zip(levels, by_level, strict=True)},
        float(np.abs(labels, dtype=np.float64).sum()),
    )
