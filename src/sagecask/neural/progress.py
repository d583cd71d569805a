"""What has been reached so far: epochs done, the best of them, and how long ago that was."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagecask.neural.plan import Plan


@dataclass
class Progress:
    """Watched values of the epochs done.

    history : what was watched in each epoch
    best_epoch : None before any epoch is complete
    """

    history: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    best: float = math.inf

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.history)

    def update(self, value: float, tolerance: float) -> bool:
        """Note an epoch's value; return whether it is the best by more than the tolerance; no number is worst."""
        value = value if math.isfinite(value) else math.inf
        better = self.best_epoch is None or value < self.best - tolerance
        if better:
            self.best_epoch, self.best = self.epochs, value
        self.history.append(value)
        return better

    def finished(self, plan: Plan) -> bool:
        """Return whether all epochs are done, or too many have brought nothing."""
        if self.epochs >= plan.epochs:
            return True
        if plan.patience is None or self.best_epoch is None:
            return False
        return self.epochs - 1 - self.best_epoch >= plan.patience
