"""Lloyd's algorithm on weighted points in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask_vectors.kmeans.start import plus_plus, random_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

# numbers in one block of distances
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Weighted points.

    rows : (n_points, n_features) float32
    weights : (n_points,) float64, above 0
    """

    rows: NDArray[np.float32]
    weights: NDArray[np.float64]

    def start(self, method: str, count: int, draw: np.random.Generator) -> NDArray[np.float32]:
        """Return (at most count, n_features) points to begin with, chosen by `random` or `kmeans++`."""
        if method == "random":
            return self._at(random_rows(self.weights, count, draw))
        lengths = np.einsum("ij,ij->i", self.rows, self.rows)

        def distances(chosen: NDArray[np.int64]) -> NDArray[np.float32]:
            products = self.rows @ self.rows[chosen].T
            found: NDArray[np.float32] = np.maximum(lengths[:, None] - 2 * products + lengths[chosen], 0)
            return found

        return self._at(plus_plus(self.weights, count, distances, draw, attempts=2 + int(np.log(count))))

    def _at(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.rows[chosen]
        return found


def closest(rows: NDArray[np.float32], centers: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the closest center of each row and the squared distance to it."""
    labels = np.empty(len(rows), np.int64)
    gains = np.empty(len(rows), np.float32)
    half = np.einsum("ij,ij->i", centers, centers) / 2
    step = max(1, _BLOCK // len(centers))
    for start in range(0, len(rows), step):
        # x c - |c|² / 2 is highest at the closest center
        block = rows[start : start + step] @ centers.T
        block -= half
        labels[start : start + step] = found = block.argmax(axis=1)
        gains[start : start + step] = block[np.arange(len(found)), found]
    return labels, np.maximum(np.einsum("ij,ij->i", rows, rows) - 2 * gains, 0)


def lloyd(points: Points, centers: NDArray[np.float32], max_iter: int, tol: float) -> tuple[NDArray[np.float32], float]:
    """Move centers to the means of their points until the loss changes by less than the share `tol`.

    Returns
    -------
    the centers, and their loss: the weighted mean of the points' squared distances
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - as in formats.batch

    total = points.weights.sum()
    ends = np.arange(len(points.rows) + 1)
    labels, squared = closest(points.rows, centers)
    loss = float(points.weights @ squared / total)
    for _ in range(max_iter):
        members = csr_matrix((points.weights, labels, ends), shape=(len(labels), len(centers)))
        weights = np.bincount(labels, points.weights, len(centers))
        filled = weights > 0
        moved = centers.copy()
        moved[filled] = ((members.T @ points.rows)[filled] / weights[filled, None]).astype(np.float32)
        _refill(moved, ~filled, points, squared)
        labels, squared = closest(points.rows, moved)
        before, loss = loss, float(points.weights @ squared / total)
        centers = moved
        if before - loss <= tol * before:
            break
    return centers, loss


def _refill(
    centers: NDArray[np.float32], empty: NDArray[np.bool_], points: Points, squared: NDArray[np.float32]
) -> None:
    """Put centers without points onto the points that cost most."""
    if empty.any():
        worst = np.argsort(-points.weights * squared, kind="stable")[: int(empty.sum())]
        centers[np.flatnonzero(empty)[: len(worst)]] = points.rows[worst]
