"""The size of a series, by which its values are divided (Salinas et al., DeepAR, 2020, section 3.3).

It is the mean absolute value of the context, and one more for counts. Late points count more, twice as much for each
half of the context that they are nearer to its end, so that a series that grows starts its forecast near 1. A context
without values, or with zeros alone, has what the training series have on average: those that share its categories where
it has some, else all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.panel import Panel, Windows
    from sagecask_forecasting.deepar.shape import Shape

    Floats = NDArray[np.float32]

SMALLEST = 1e-10
# what stands for a scaled value before the first known one, which the mean would hide, and the farthest from 0
UNKNOWN = 0.0
FARTHEST = 1e4

NAMES = ("overall", "spread", "by_category")


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """What training series say of the size of a series.

    overall : (1,) float32, mean of log sizes
    spread : (1,) float32, standard deviation of log sizes, at least 1
    by_category : (sum of cardinality,) float32, mean of log sizes by value, one category after another
    """

    overall: Floats
    spread: Floats
    by_category: Floats

    @classmethod
    def fit(cls, panel: Panel, shape: Shape) -> Scales:
        """Learn from the training series."""
        known = ~np.isnan(panel.values)
        owner = np.repeat(np.arange(len(panel)), panel.lengths)[known]
        counts = np.bincount(owner, minlength=len(panel))
        sums = np.bincount(owner, np.abs(panel.values[known], dtype=np.float64), minlength=len(panel))
        usable = sums > 0
        logs = np.log(sums[usable] / counts[usable])
        overall = logs.mean() if len(logs) else 0.0
        tables = []
        for column, size in enumerate(shape.cardinality):
            values = panel.categories[usable, column]
            number = np.bincount(values, minlength=size)
            found = np.bincount(values, logs, minlength=size) / np.maximum(number, 1)
            tables.append(np.where(number > 0, found, overall))
        spread = max(float(logs.std()), 1.0) if len(logs) else 1.0
        return cls(
            np.array([overall], np.float32), np.array([spread], np.float32),
            np.concatenate([*tables, []]).astype(np.float32),
        )  # fmt: skip

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Floats]) -> Scales:
        """Return what `arrays` returned."""
        return cls(*(arrays[f"scales.{name}"] for name in NAMES))

    def arrays(self) -> dict[str, Floats]:
        """Return all of it, to be stored."""
        return {f"scales.{name}": getattr(self, name) for name in NAMES}

    def of(self, windows: Windows, shape: Shape) -> Floats:
        """Return (n,) float32, what each window's values are divided by."""
        n = len(windows.history)
        if shape.likelihood == "beta":
            return np.ones(n, np.float32)
        context = slice(shape.reach.target, shape.reach.target + shape.context)
        weights = windows.observed[:, : shape.context] * _weights(shape.context)
        sizes = np.abs(np.where(weights > 0, windows.history[:, context], 0), dtype=np.float64)
        means = (weights * sizes).sum(axis=1) / np.maximum(weights.sum(axis=1), SMALLEST)
        counts = shape.likelihood == "negative-binomial"
        usable = weights.any(axis=1) if counts else means > 0
        found = np.where(usable, means, self._expected(windows, shape)) + counts
        scale: Floats = np.maximum(found, SMALLEST).astype(np.float32)
        return scale

    def _expected(self, windows: Windows, shape: Shape) -> NDArray[np.float64]:
        if not shape.cardinality:
            return np.full(len(windows.history), np.exp(np.float64(self.overall[0])))
        firsts = np.cumsum([0, *shape.cardinality[:-1]])
        # effects of several categories add up, as far as they differ from the mean
        effects = self.by_category[windows.categories + firsts] - self.overall
        expected: NDArray[np.float64] = np.exp(np.float64(self.overall[0]) + effects.sum(axis=1, dtype=np.float64))
        return expected

    def relative(self, scale: Floats) -> Floats:
        """Return (n,) float32, the log of scales as the network sees it, around 0."""
        return ((np.log(scale) - self.overall) / self.spread).astype(np.float32)


def _weights(context: int) -> NDArray[np.float64]:
    return 0.5 ** (np.arange(context)[::-1] / (context / 2))
