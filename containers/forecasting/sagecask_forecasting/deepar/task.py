"""The network of DeepAR as `sagecask.neural` trains it: mini-batches of windows and their likelihood."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sagecask.neural.task import Part, Task
from sagecask_forecasting.deepar.averaging import Averaged
from sagecask_forecasting.deepar.drawing import Places
from sagecask_forecasting.deepar.network import Network, tensors
from sagecask_forecasting.deepar.panel import Cutter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor, nn

    from sagecask_forecasting.deepar.panel import Panel
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape


_log = logging.getLogger(__name__)


class ForecastTask(Task):
    """Windows of a panel and the network that they train.

    dropout : share of recurrent units that keep their state in a step
    """

    def __init__(self, panel: Panel, shape: Shape, scales: Scales, *, mini_batch_size: int, dropout: float) -> None:
        self._cutter = Cutter(panel, shape)
        self._places = Places.of(panel.lengths, shape.horizon)
        self._shape, self._scales = shape, scales
        self._mini_batch_size, self._dropout = mini_batch_size, dropout

    @property
    def mini_batches(self) -> int:
        """Number of mini-batches of an epoch."""
        windows = self._places.rounds(self._mini_batch_size) * len(self._places)
        return -(-windows // self._mini_batch_size)

    def describe(self) -> None:
        """Log what an epoch consists of."""
        rounds = self._places.rounds(self._mini_batch_size)
        _log.info("an epoch draws %d windows from each of %d series", rounds, len(self._places))

    def module(self) -> nn.Module:
        return Averaged(Network(self._shape, self._dropout))

    def batches(self, epoch: int, generator: np.random.Generator, part: Part) -> Iterator[tuple[Tensor, ...]]:  # noqa: ARG002 - all epochs are alike
        series, at = self._places.draw(self._places.rounds(self._mini_batch_size), generator)
        for start in range(0, len(series), self._mini_batch_size):
            chosen = slice(start, start + self._mini_batch_size)
            rows = part.of(len(series[chosen]))
            windows = self._cutter.cut(series[chosen][rows], at[chosen][rows])
            yield tensors(windows, self._scales, self._shape)

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        total, weight = module(*batch)
        return total, weight
