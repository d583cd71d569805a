"""Forecasts by ancestral sampling: every path draws a point, which the next step sees as a lag.

Salinas et al., DeepAR, 2020, section 3.2. Needs numpy alone: no torch when a model serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask_forecasting.deepar.draws import draw
from sagecask_forecasting.deepar.panel import Cutter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.panel import Panel
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape

    Floats = NDArray[np.float32]


class Forecaster:
    """Draws sample paths right after the last point of each series."""

    def __init__(self, shape: Shape, weights: Mapping[str, Floats], scales: Scales) -> None:
        self._shape, self._weights, self._scales = shape, weights, scales

    def samples(self, panel: Panel, num_samples: int, generator: np.random.Generator) -> Floats:
        """Return (n_series, num_samples, horizon) float32.

        Parameters
        ----------
        panel : its dynamic features reach `horizon` points ahead
        """
        shape, reach, w = self._shape, self._shape.reach, self._weights
        windows = Cutter(panel, shape).cut(np.arange(len(panel)), panel.lengths)
        scale = self._scales.of(windows, shape)
        scaled = np.repeat(np.nan_to_num(windows.history / scale[:, None], nan=1.0), num_samples, axis=0)
        features = np.repeat(windows.features, num_samples, axis=0)
        embedded = [w[f"embeddings.{c}"][windows.categories[:, c]] for c in range(len(shape.cardinality))]
        static = np.concatenate([*embedded, self._scales.relative(scale)[:, None]], axis=1)
        base = np.repeat(static @ w["static"].T + w["biases.0"], num_samples, axis=0)
        repeated = np.repeat(scale, num_samples)
        hidden = np.zeros((shape.layers, len(scaled), shape.cells), np.float32)
        cell = np.zeros_like(hidden)
        paths = np.empty((len(scaled), shape.horizon), np.float32)
        for step in range(shape.context + shape.horizon):
            inputs = np.concatenate([scaled[:, reach.places + step], features[:, step]], axis=1)
            for layer in range(shape.layers):
                gates = inputs @ w[f"inputs.{layer}"].T + hidden[layer] @ w[f"recurrent.{layer}"].T
                gates += base if layer == 0 else w[f"biases.{layer}"]
                taken, kept, new, shown = np.split(gates, 4, axis=1)
                moved = _sigmoid(kept) * cell[layer] + _sigmoid(taken) * np.tanh(new)
                hidden[layer] += (1 - w["keep"]) * (_sigmoid(shown) * np.tanh(moved) - hidden[layer])
                cell[layer] += (1 - w["keep"]) * (moved - cell[layer])
                inputs = hidden[layer]
            if step >= shape.context:
                raw = inputs @ w["head.weight"].T + w["head.bias"]
                value = draw(shape.likelihood, raw, repeated, generator)
                paths[:, step - shape.context] = value
                scaled[:, reach.target + step] = value / repeated
        return paths.reshape(len(panel), num_samples, shape.horizon)


def _sigmoid(values: Floats) -> Floats:
    return 0.5 * np.tanh(0.5 * values) + np.float32(0.5)
