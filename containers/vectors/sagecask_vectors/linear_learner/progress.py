"""What training has come to: the best weights so far, and whether more epochs are worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.linear_learner.selection import Standing
    from sagecask_vectors.linear_learner.solver import Solver


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best model of all epochs.

    value, loss : what it is chosen by, more being better, and what settles ties
    weights : (n_features + 1, n_outputs) float32, scaled
    """

    value: float
    loss: float
    epoch: int
    model: int
    weights: NDArray[np.float32]


class Progress:
    """Keeps the best model, and counts epochs without improvement.

    Parameters
    ----------
    patience : epochs without improvement after which training ends
    tolerance : least gain, as a share of the best value before, that is an improvement
    by_loss : whether the loss is watched whatever models are chosen by
    """

    def __init__(self, patience: int, tolerance: float, *, by_loss: bool) -> None:
        self.best: Best | None = None
        self.watched = -np.inf
        self.stale = 0
        self._patience = patience
        self._tolerance = tolerance
        self._by_loss = by_loss

    def update(self, epoch: int, standing: Standing, solver: Solver, outputs: int) -> float:
        """Take note of an epoch and return the best value of what is watched among its models."""
        model = standing.best
        value, loss = float(standing.values[model]), float(standing.weighted[model])
        if self.best is None or (value, -loss) > (self.best.value, -self.best.loss):
            columns = slice(model * outputs, (model + 1) * outputs)
            self.best = Best(value, loss, epoch, model, solver.judged()[:, columns].cpu().numpy().copy())
        watched = -float(standing.weighted.min()) if self._by_loss else value
        # a gain in proportion to nothing is one of any size
        gain = watched - self.watched
        if gain > 0 and not gain / max(abs(self.watched), 1e-30) < self._tolerance:
            self.stale = 0
        else:
            self.stale += 1
        self.watched = max(self.watched, watched)
        return watched

    @property
    def exhausted(self) -> bool:
        """Whether training is to end early."""
        return self.stale >= self._patience
