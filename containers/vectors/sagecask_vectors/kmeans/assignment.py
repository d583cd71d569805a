"""Which center each row of a mini-batch is closest to, and what the rows of each center add up to; in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from sagecask_vectors.kmeans import native

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Features: TypeAlias = NDArray[np.float32] | csr_matrix
    Closest: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]

# numbers in one block of products: what stays in a core's cache
_BLOCK = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What a mini-batch adds to K centers.

    sums : (K, n_features) float64, of the rows of each center
    counts : (K,) float64, number of those rows
    errors : (K,) float64, sum of their squared distances
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    errors: NDArray[np.float64]

    @classmethod
    def empty(cls, n_centers: int, width: int) -> Tally:
        """Return zeros."""
        return cls(np.zeros((n_centers, width)), np.zeros(n_centers), np.zeros(n_centers))


class Rows(Protocol):
    """The rows of a mini-batch where they are multiplied."""

    def closest(self, centers: NDArray[np.floating]) -> Closest:
        """Return the closest of (K, n_features) centers and the squared distance to it, (n_rows,) each."""

    def squared_distances(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the squared distances to each of (m, n_features) points, (n_rows, m)."""

    def tally(self, closest: Closest, n_centers: int) -> Tally:
        """Add up the rows of each center."""


def located(features: Features, origin: NDArray[np.float32], gpu: torch.device | None) -> Rows:
    """Return (n_rows, n_features) float32 rows, dense or CSR, on the GPU or else in this process.

    Parameters
    ----------
    origin : (n_features,) what dense rows are measured from, as are all centers; zeros for CSR
    """
    if gpu is None:
        return HostRows(features, origin)
    from sagecask_vectors.kmeans.assignment_gpu import DeviceRows  # noqa: PLC0415 - jobs on a CPU do without torch

    return DeviceRows(features, origin, gpu)


class HostRows:
    """Rows in this process, multiplied by numpy, or by scipy where they are sparse."""

    def __init__(self, features: Features, origin: NDArray[np.float32]) -> None:
        self._rows: Features = features - origin if origin.any() else features
        if isinstance(self._rows, np.ndarray):
            self._rows = np.ascontiguousarray(self._rows)
            self._squares = np.einsum("ij,ij->i", self._rows, self._rows)
        else:
            self._squares = np.asarray(self._rows.multiply(self._rows).sum(axis=1), np.float32).reshape(-1)

    def closest(self, centers: NDArray[np.floating]) -> Closest:
        """See `Rows`."""
        found = np.empty(len(self._squares), np.int64), np.empty(len(self._squares), np.float32)
        placed = centers.astype(np.float32)
        factors, halves = np.ascontiguousarray(placed.T), np.einsum("ij,ij->i", placed, placed) / 2
        step = max(1, _BLOCK // len(centers))
        # one array for the products of all blocks: new ones cost as much as the products
        room = np.empty((min(step, len(self._squares)), len(centers)), np.float32)
        for start in range(0, len(self._squares), step):
            part = slice(start, start + step)
            rows = self._rows[part]
            products = (
                np.matmul(rows, factors, out=room[: len(rows)]) if isinstance(rows, np.ndarray) else rows @ factors
            )
            native.closest(products, halves, self._squares[part], found[0][part], found[1][part])
        return found

    def squared_distances(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """See `Rows`."""
        placed = points.astype(np.float32)
        distances: NDArray[np.float32] = self._rows @ placed.T
        distances *= -2
        distances += np.einsum("ij,ij->i", placed, placed)
        distances += self._squares[:, None]
        return np.maximum(distances, 0, out=distances)

    def tally(self, closest: Closest, n_centers: int) -> Tally:
        """See `Rows`."""
        labels, squared = closest
        tally = Tally.empty(n_centers, self._rows.shape[1])
        if isinstance(self._rows, np.ndarray):
            native.tally(self._rows, labels, squared, tally.sums, tally.counts, tally.errors)
            return tally
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - as in formats.batch

        ends = np.arange(len(labels) + 1)
        members = csr_matrix((np.ones(len(labels)), labels, ends), shape=(len(labels), n_centers))
        tally.counts[:] = np.bincount(labels, minlength=n_centers)
        tally.errors[:] = np.bincount(labels, squared, n_centers)
        tally.sums[:] = (members.T @ self._rows).toarray()
        return tally
