"""The network: an autoregressive recurrent network over scaled lags, time features and embeddings.

Salinas, Flunkert, Gasthaus, Januschowski: DeepAR, International Journal of Forecasting 36, 2020, section 3, figure 2.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from sagecask_forecasting.deepar.draws import OUTPUTS
from sagecask_forecasting.deepar.likelihoods import loss
from sagecask_forecasting.deepar.lstm import Inputs, outputs
from sagecask_forecasting.deepar.recurrent import Zoneout
from sagecask_forecasting.deepar.scaling import FARTHEST, UNKNOWN

if TYPE_CHECKING:
    from sagecask_forecasting.deepar.panel import Windows
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape


def tensors(windows: Windows, scales: Scales, shape: Shape) -> tuple[Tensor, ...]:
    """Return what `Network` is called with."""
    scale = scales.of(windows, shape)
    given = (windows.history, windows.observed, windows.features, windows.categories, scale, scales.relative(scale))
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in given)


class Network(nn.Module):
    """Parameters of the noise model at every step of a window, from what is known before that step.

    dropout : share of the units that keep their state in a step of training (zoneout)
    """

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self._reach = shape.reach
        self._places = torch.from_numpy(self._reach.places)
        cells, gates = shape.cells, 4 * shape.cells
        self.embeddings = nn.ParameterList(torch.randn(size, shape.embedding) for size in shape.cardinality)
        inputs = [shape.varying] + [cells] * (shape.layers - 1)
        self.inputs = nn.ParameterList(torch.empty(gates, width) for width in inputs)
        self.recurrent = nn.ParameterList(torch.empty(gates, cells) for _ in inputs)
        self.biases = nn.ParameterList(torch.empty(gates) for _ in inputs)
        self.static = nn.Parameter(torch.empty(gates, shape.static))
        self.head = nn.Linear(cells, OUTPUTS[shape.likelihood])
        # share of its old state that a unit keeps in a forecast: what it did on average in training. With none kept
        # units are faster than those that were trained, which costs a lot over a horizon: on Tourism monthly the mean
        # MASE is then 1.63 instead of 1.39
        self.register_buffer("keep", torch.tensor([dropout]))
        self.keep: Tensor
        for weight in (*self.inputs, *self.recurrent, *self.biases, self.static, *self.head.parameters()):
            nn.init.uniform_(weight, -1 / math.sqrt(cells), 1 / math.sqrt(cells))

    def forward(
        self, history: Tensor, observed: Tensor, features: Tensor, categories: Tensor, scale: Tensor, relative: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of observed points, and their number.

        Parameters
        ----------
        history, observed, features, categories : (n, ...), as in `Windows`
        scale, relative : (n,), of `Scales`
        """
        # mixed precision ends here: squares of distances are too large for it
        raw = self.outputs(history, features, categories, scale, relative).to(scale.dtype)
        length = observed.shape[1]
        target = history[:, self._reach.target : self._reach.target + length]
        target = torch.where(observed, target, scale[:, None])
        losses = loss(self.shape.likelihood, raw, target, scale[:, None])
        return (losses * observed).sum(), observed.sum().to(losses.dtype)

    def outputs(self, history: Tensor, features: Tensor, categories: Tensor, scale: Tensor, relative: Tensor) -> Tensor:
        """Return (n, length, outputs), the noise model's parameters at each step."""
        scaled = torch.nan_to_num(history / scale[:, None], nan=UNKNOWN).clamp(-FARTHEST, FARTHEST)
        embedded = [table[categories[:, column]] for column, table in enumerate(self.embeddings)]
        static = torch.cat([*embedded, relative[:, None]], dim=1)
        base = torch.addmm(self.biases[0], static, self.static.T)
        layers = zip(self.inputs, self.recurrent, self.biases, strict=True)
        weights = (*(each for layer in layers for each in layer), self.head.weight, self.head.bias)
        return outputs(Inputs(scaled, self._places, features, base), weights, self._zoneout())

    def _zoneout(self) -> Zoneout:
        threshold = round(self.dropout * 65536)
        if not self.training or not threshold:
            return Zoneout(keep=float(self.keep))
        first, second = torch.randint(0, 2**32, (2,)).tolist()
        return Zoneout(first, second, threshold)
