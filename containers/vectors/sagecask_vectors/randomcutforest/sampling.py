"""A uniform sample of all rows in one pass, without replacement, also when each host sees only some of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


class Reservoir:
    """Keeps a uniform sample of the rows it has seen: row t takes a random place with probability capacity / t.

    The sample depends on the rows and the generator, not on how the rows come in batches. Memory grows with the rows up
    to the capacity.

    seen : rows so far

    Source
    ------
    Vitter, Random Sampling with a Reservoir, ACM TOMS 1985, algorithm R
    """

    def __init__(
        self, capacity: int, width: int, random: np.random.Generator, before_growing: Callable[[int], None]
    ) -> None:
        """Begin without rows.

        Parameters
        ----------
        before_growing : is told the rows that there is to be room for, before they are allocated
        """
        self.seen = 0
        self._capacity = capacity
        self._random = random
        self._before_growing = before_growing
        self._rows = np.empty((0, width), np.float32)

    @property
    def sample(self) -> NDArray[np.float32]:
        """The rows that are in the sample, (min(seen, capacity), n_features), in no useful order."""
        return self._rows[: min(self.seen, self._capacity)]

    def add(self, rows: NDArray[np.float32] | csr_matrix) -> None:
        """Take part of `rows`, (n_rows, n_features), dense or CSR."""
        first = min(self._capacity - min(self.seen, self._capacity), rows.shape[0])
        if first:
            self._make_room(self.seen + first)
            self._rows[self.seen : self.seen + first] = dense(rows[:first])
        later = np.arange(self.seen + first, self.seen + rows.shape[0])
        self.seen += rows.shape[0]
        if len(later):
            places = self._random.integers(0, later + 1)
            taken = np.flatnonzero(places < self._capacity)
            # where a place is taken twice, numpy keeps the later row, as one row after another would
            self._rows[places[taken]] = dense(rows[first + taken])

    def _make_room(self, n_rows: int) -> None:
        if n_rows <= len(self._rows):
            return
        size = min(self._capacity, max(n_rows, 2 * len(self._rows)))
        self._before_growing(size)
        grown = np.empty((size, self._rows.shape[1]), np.float32)
        grown[: len(self._rows)] = self._rows
        self._rows = grown


def shares(seen: Sequence[int], n_rows: int, random: np.random.Generator) -> list[int]:
    """Return how many rows of each host make a uniform sample of all rows, when each host has a uniform one of its own.

    Parameters
    ----------
    seen : rows that each host has drawn from
    n_rows : rows of the sample, at most the sum of `seen`
    """
    # numpy's hypergeometric distributions end at a billion rows
    drawn = random.choice(sum(seen), n_rows, replace=False, shuffle=False)
    hosts = np.searchsorted(np.cumsum(seen), drawn, side="right")
    return [int(count) for count in np.bincount(hosts, minlength=len(seen))]


def dealt(sample: NDArray[np.float32], n_trees: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return the sample in equal parts at random, (n_trees, n_rows // n_trees, n_features); a rest is left out."""
    n_rows = len(sample) // n_trees
    order = random.permutation(len(sample))[: n_trees * n_rows]
    return sample[order].reshape(n_trees, n_rows, sample.shape[1])


def dense(rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
    """Return rows written out, zeros included."""
    return rows if isinstance(rows, np.ndarray) else rows.toarray()
