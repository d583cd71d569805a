"""Forecasts by ancestral sampling: every path draws a point, which the next steps see as a lag.

Salinas et al., DeepAR, 2020, section 3.2. Needs numpy and the compiled layers: no torch when a model serves.

The context is read once for a series. In the horizon, what all paths of a series have in common (categories, time,
dynamic features, lags that reach back into the history) is one product for the series; a path adds its state, and
those lags that it has drawn itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask_forecasting.deepar.draws import draw
from sagecask_forecasting.deepar.native import compiled
from sagecask_forecasting.deepar.panel import Cutter
from sagecask_forecasting.deepar.recurrent import BLOCK, Sizes, Zoneout, empty, over_blocks, packed
from sagecask_forecasting.deepar.scaling import FARTHEST, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.panel import Panel, Windows
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape

    Floats = NDArray[np.float32]

# paths that are moved on together: their states stay in a cache of some MiB
_PATHS = 4096
# rows of what paths have in common that are found at once
_ROWS = 4096


class Forecaster:
    """Draws sample paths right after the last point of each series.

    weights : as `weights.sizes` has them, looked at by `weights.check`
    threads : paths are shared by so many
    """

    def __init__(self, shape: Shape, weights: Mapping[str, Floats], scales: Scales, threads: int = 1) -> None:
        self._shape, self._weights, self._scales, self._threads = shape, weights, scales, threads
        self._reach = shape.reach
        self._lags = np.array(shape.lags, np.int64)
        self._zoneout = Zoneout(keep=float(weights["keep"][0]))
        names = [f"{kind}.{layer}" for layer in range(shape.layers) for kind in ("inputs", "recurrent", "biases")]
        arrays = [np.ascontiguousarray(weights[name]) for name in (*names, "head.weight", "head.bias")]
        self._packed = packed(self._sizes(1, 1), arrays)

    def _sizes(self, rows: int, steps: int) -> Sizes:
        shape = self._shape
        outputs, lags = len(self._weights["head.bias"]), len(shape.lags)
        return Sizes(rows, steps, len(self._reach.points), lags, shape.features, shape.cells, shape.layers, outputs)

    def samples(self, panel: Panel, num_samples: int, generator: np.random.Generator) -> Floats:
        """Return (n_series, num_samples, horizon) float32.

        Parameters
        ----------
        panel : its dynamic features reach `horizon` points ahead
        """
        # paths without noise are all the same
        drawn = 1 if self._shape.likelihood == "deterministic-L1" else num_samples
        paths = np.empty((len(panel), drawn, self._shape.horizon), np.float32)
        cutter, together = Cutter(panel, self._shape), max(1, _PATHS // drawn)
        for first in range(0, len(panel), together):
            series = np.arange(first, min(first + together, len(panel)))
            paths[series] = self._paths(cutter.cut(series, panel.lengths[series]), drawn, generator)
        return paths if drawn == num_samples else np.repeat(paths, num_samples, axis=1)

    def outputs(self, windows: Windows) -> Floats:
        """Return (n, context + horizon, outputs), the noise model's parameters where all points are known."""
        length = windows.features.shape[1]
        raw = np.empty((len(windows.features), length, len(self._weights["head.bias"])), np.float32)
        self._read(*self._scaled(windows), windows.features, raw, None)
        return raw

    def _scaled(self, windows: Windows) -> tuple[Floats, Floats]:
        """Return the scaled history, and the first layer's bias with all that does not change along a window."""
        weights, scale = self._weights, self._scales.of(windows, self._shape)
        history = np.clip(np.nan_to_num(windows.history / scale[:, None], nan=UNKNOWN), -FARTHEST, FARTHEST)
        embedded = [weights[f"embeddings.{c}"][chosen] for c, chosen in enumerate(windows.categories.T)]
        static = np.concatenate([*embedded, self._scales.relative(scale)[:, None]], axis=1)
        return history, static @ weights["static"].T + weights["biases.0"]

    def _read(self, history: Floats, base: Floats, features: Floats, raw: Floats | None, state: Floats | None) -> None:
        sizes, features = self._sizes(len(history), features.shape[1]), np.ascontiguousarray(features)

        def read(first: int, last: int) -> None:
            compiled.forward(
                sizes, self._packed, history, self._reach.places, features, base, self._zoneout, None, raw, state,
                first, last,
            )  # fmt: skip

        over_blocks(sizes.blocks, self._threads, read)

    def _paths(self, windows: Windows, number: int, generator: np.random.Generator) -> Floats:
        """Return (n, number, horizon)."""
        shape, (history, base) = self._shape, self._scaled(windows)
        # the first point to be forecast is seen alike by all paths
        raw = np.empty((len(history), shape.context + 1, len(self._weights["head.bias"])), np.float32)
        encoded = np.empty((len(history), shape.layers, 2, shape.cells), np.float32)
        self._read(history, base, windows.features[:, : shape.context + 1], raw, encoded)
        sizes = self._sizes(len(history) * number, shape.horizon)
        state = empty(sizes.blocks * BLOCK * encoded[0].size)
        compiled.spread(sizes, encoded, number, state)
        drawn = empty(shape.horizon * sizes.blocks * BLOCK).reshape(shape.horizon, -1)
        scale = np.repeat(self._scales.of(windows, shape), number)
        paths = np.empty((shape.horizon, sizes.rows), np.float32)
        parameters = np.zeros((sizes.outputs, drawn.shape[1]), np.float32)
        parameters[:, : sizes.rows] = np.repeat(raw[:, -1], number, axis=0).T
        commons = self._common(history, base, windows.features[:, shape.context :])
        for step in range(shape.horizon):
            if step:
                self._move((sizes, number, step), next(commons), drawn, state, parameters)
            paths[step] = draw(shape.likelihood, parameters[:, : sizes.rows].T, scale, generator)
            drawn[step] = 0
            np.clip(paths[step] / scale, -FARTHEST, FARTHEST, out=drawn[step, : sizes.rows])
        return paths.reshape(shape.horizon, len(history), number).transpose(1, 2, 0)

    def _move(
        self, at: tuple[Sizes, int, int], common: Floats, drawn: Floats, state: Floats, parameters: Floats
    ) -> None:
        """Move all paths by one step; `at` is sizes, paths of a series, and the step."""

        def move(first: int, last: int) -> None:
            compiled.sample(
                at[0], self._packed, *at[1:], common, drawn, self._lags, self._zoneout, state, parameters, first, last
            )

        over_blocks(at[0].blocks, self._threads, move)

    def _common(self, history: Floats, base: Floats, features: Floats) -> Iterator[Floats]:
        """Yield (n, 4 * cells), what all paths of a series add to the first layer, for each step after the first."""
        matrix, context = self._weights["inputs.0"].T, self._shape.context
        together = max(1, _ROWS // len(history))
        for first in range(1, self._shape.horizon, together):
            steps = np.arange(first, min(first + together, self._shape.horizon))
            lagged = history[:, steps[:, None] + context + self._reach.places]
            # what lies in the horizon is each path's own
            lagged *= self._lags > steps[:, None]
            varying = np.concatenate([lagged, features[:, steps]], axis=2).transpose(1, 0, 2)
            yield from varying @ matrix + base
