"""The size of a series, by which its values are divided (Salinas et al., DeepAR, 2020, section 3.3).

It is the mean absolute value of the context, and one more for counts. A context without values, or with zeros alone,
has what the training series have on average: those that share its categories where it has some, else all.
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
# what stands for a scaled value that is not known, and the farthest that one may be from 0
UNKNOWN = 1.0
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
        observed = windows.observed[:, : shape.context]
        sums = np.where(observed, np.abs(windows.history[:, context]), 0).sum(axis=1, dtype=np.float64)
        counts = observed.sum(axis=1)
        if shape.likelihood == "negative-binomial":
            return (1 + np.where(counts > 0, sums / np.maximum(counts, 1), self._expected(windows, shape))).astype(
                np.float32
            )
        found = np.where(sums > 0, sums / np.maximum(counts, 1), self._expected(windows, shape))
        return np.maximum(found, SMALLEST).astype(np.float32)

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
