"""Which windows an epoch trains on: one at random from every series, in several rounds where series are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# an epoch has about so many mini-batches at least
FEWEST_BATCHES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where windows may be drawn.

    series : (n,) int64, series that are long enough
    choices : (n,) int64, number of places in each: the first point to be forecast is one of the first so many, and all
        points to be forecast lie within the series
    """

    series: NDArray[np.int64]
    choices: NDArray[np.int64]

    @classmethod
    def of(cls, lengths: NDArray[np.int64], horizon: int) -> Places:
        """Return the places in series of these lengths; those shorter than the horizon have none."""
        series = np.flatnonzero(lengths >= horizon)
        return cls(series, lengths[series] - horizon + 1)

    def __len__(self) -> int:
        return len(self.series)

    def rounds(self, mini_batch_size: int) -> int:
        """Return how often an epoch goes through the series, where there is one at least.

        >>> lengths = np.full(200, 50)
        >>> Places.of(lengths, 10).rounds(32), Places.of(lengths[:12], 10).rounds(128)
        (2, 107)
        """
        return -(-max(len(self), FEWEST_BATCHES * mini_batch_size) // len(self))

    def draw(self, rounds: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (rounds · n,) series, each once a round in random order, and the first point to forecast of each."""
        order = generator.permuted(np.tile(np.arange(len(self)), (rounds, 1)), axis=1).ravel()
        return self.series[order], generator.integers(0, self.choices[order])
