"""Centers that are better used elsewhere: two close ones become one, the other goes to rows far from any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sagecask_vectors.kmeans.centers import Centers

CANDIDATES = 16
# how many times its cost a move must bring, since what it brings is estimated on one mini-batch
_MARGIN = 2.0


def relocate(
    centers: Centers,
    counts: NDArray[np.float64],
    squared: NDArray[np.float32],
    distances: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    draw: np.random.Generator,
) -> Iterator[tuple[int, int, int]]:
    """Yield (center that stays, center that joins it, row to which that one's place goes) for each useful move.

    A move brings what the rows of the mini-batch are closer to the new place, and costs what the two centers' rows are
    farther from their common mean (Ward, Hierarchical grouping to optimize an objective function, JASA 58, 1963).

    Parameters
    ----------
    centers : as before the mini-batch; the caller makes the moves
    counts : (K,) rows of the mini-batch that are closest to each
    squared : (n_rows,) their squared distances
    distances : squared distances of all rows from some of them, (n_rows, n_some)
    """
    chances = np.cumsum(squared, dtype=np.float64)
    if len(centers) < 2 or chances[-1] <= 0:
        return
    found = np.searchsorted(chances, draw.random(CANDIDATES) * chances[-1], side="right")
    candidates = np.unique(np.minimum(found, len(squared) - 1))
    apart = distances(candidates)
    weights = centers.weights + counts
    costs = _costs(centers.means, weights) * (len(squared) / weights.sum())
    left = squared
    for _ in candidates:
        gains = np.maximum(left[:, None] - apart, 0).sum(axis=0)
        best = int(gains.argmax())
        kept, gone = np.unravel_index(int(costs.argmin()), costs.shape)
        if not gains[best] > _MARGIN * costs[kept, gone]:
            return
        # each center makes one move at most: what a second one would cost is not known
        for moved in (kept, gone):
            costs[moved] = costs[:, moved] = np.inf
        left = np.minimum(left, apart[:, best])
        yield int(kept), int(gone), int(candidates[best])


def _costs(means: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the loss of each pair of centers grows by when it becomes one."""
    lengths = (means * means).sum(axis=1)
    squared = np.maximum(lengths[:, None] - 2 * means @ means.T + lengths, 0)
    both = weights[:, None] + weights
    costs: NDArray[np.float64] = squared * np.divide(
        weights[:, None] * weights, both, out=np.zeros_like(both), where=both > 0
    )
    costs[np.tril_indices(len(costs))] = np.inf
    return costs
