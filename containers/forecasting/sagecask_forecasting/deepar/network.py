"""The network: an autoregressive recurrent network over scaled lags, time features and embeddings.

Salinas, Flunkert, Gasthaus, Januschowski: DeepAR, International Journal of Forecasting 36, 2020, section 3, figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from sagecask_forecasting.deepar.likelihoods import Likelihood


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network.

    features : features of a point in time, the age and dynamic ones included
    """

    lags: int
    features: int
    cardinality: tuple[int, ...]
    embedding: int
    cells: int
    layers: int
    dropout: float


class Network(nn.Module):
    """Parameters of the noise model at every step of a window, from what is known before that step."""

    def __init__(self, shape: Shape, likelihood: Likelihood) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, shape.embedding) for size in shape.cardinality)
        width = shape.lags + shape.features + len(shape.cardinality) * shape.embedding + 1
        dropout = shape.dropout if shape.layers > 1 else 0.0
        self.recurrent = nn.LSTM(width, shape.cells, shape.layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(shape.cells, likelihood.outputs)

    def static(self, categories: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return (n, width) of what does not change along a window."""
        embedded = [table(categories[:, column]) for column, table in enumerate(self.embeddings)]
        return torch.cat([*embedded, torch.log(scale)[:, None]], dim=1)

    def forward(
        self, lagged: torch.Tensor, features: torch.Tensor, static: torch.Tensor, scale: torch.Tensor, state=None
    ):
        """Return (n, length, outputs), and the state after the last step."""
        along = static[:, None, :].expand(-1, features.shape[1], -1)
        inputs = torch.cat([lagged / scale[:, None, None], features, along], dim=2)
        hidden, state = self.recurrent(inputs, state)
        return self.head(hidden), state
