"""The K centers that follow a stream: running means, their weights and their scatter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.kmeans.assignment import Tally


@dataclass(slots=True, eq=False)
class Centers:
    """Means of the rows that came to each center.

    means : (K, n_features) float64
    weights : (K,) float64, rows seen, of which old ones may count less
    scatter : (K,) float64, weighted sum of squared distances of those rows to the mean
    """

    means: NDArray[np.float64]
    weights: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def at(cls, points: NDArray[np.float32]) -> Centers:
        """Return centers at (K, n_features) points that have seen no row."""
        return cls(points.astype(np.float64), np.zeros(len(points)), np.zeros(len(points)))

    def __len__(self) -> int:
        return len(self.means)

    def update(self, tally: Tally, decay: float) -> None:
        """Move each center to (1 - p) x itself + p x the mean of its new rows, p = new / (seen before + new).

        Parameters
        ----------
        decay : what the rows seen before still count
        """
        self.weights *= decay
        self.scatter *= decay
        self.weights += tally.counts
        # a center without new rows has no step to make, whatever its weight
        step = tally.sums - tally.counts[:, None] * self.means
        step /= np.where(tally.counts > 0, self.weights, 1)[:, None]
        self.means += step
        # squared distances to the old mean, less what the mean's way takes off them
        self.scatter += tally.errors
        self.scatter -= self.weights * np.einsum("ij,ij->i", step, step)
        np.maximum(self.scatter, 0, out=self.scatter)

    def merge(self, kept: int, gone: int) -> None:
        """Have one center stand for the rows of two; the other one has seen none then."""
        both = self.weights[kept] + self.weights[gone]
        if both > 0:
            apart = self.means[gone] - self.means[kept]
            share = self.weights[gone] / both
            self.scatter[kept] += self.scatter[gone] + share * self.weights[kept] * (apart @ apart)
            self.means[kept] += share * apart
        self.weights[kept] = both
        self.weights[gone] = self.scatter[gone] = 0
