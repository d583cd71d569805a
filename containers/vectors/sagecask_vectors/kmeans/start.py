"""Where centers begin: rows drawn at random, or by k-means++."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def random_rows(weights: NDArray[np.float64], count: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return indices of `count` different points, each as likely as its weight; all points where there are fewer."""
    count = min(count, int(np.count_nonzero(weights)))
    return draw.choice(len(weights), size=count, replace=False, p=weights / weights.sum())


def plus_plus(
    weights: NDArray[np.float64],
    count: int,
    distances: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    draw: np.random.Generator,
    attempts: int = 1,
) -> NDArray[np.int64]:
    """Return indices of `count` points: each further one with a chance in its squared distance from those before.

    Parameters
    ----------
    weights : (n_points,) what a point counts
    distances : squared distances of all points from some of them, (n_points, n_some)
    attempts : candidates for each further point, of which the one is taken that leaves the lowest loss

    Source
    ------
    Arthur and Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007, sections 2.2 and 5.
    """
    chosen = [int(draw.choice(len(weights), p=weights / weights.sum()))]
    nearest = distances(np.array(chosen))[:, 0].astype(np.float64)
    while len(chosen) < min(count, len(weights)):
        chances = np.cumsum(weights * nearest)
        if chances[-1] <= 0:
            break
        found = np.searchsorted(chances, draw.random(attempts) * chances[-1], side="right")
        candidates = np.minimum(found, len(weights) - 1)
        left = np.minimum(nearest[:, None], distances(candidates))
        best = int((weights @ left).argmin())
        chosen.append(int(candidates[best]))
        nearest = left[:, best]
    return np.array(chosen)
