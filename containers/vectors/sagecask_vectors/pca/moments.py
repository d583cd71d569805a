"""Sums of rows and of their products, over a stream and over hosts: all that regular mode keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster

# rows of one product: few enough that float32 sums lose no digit that matters, many enough for its speed
BLOCK = 1024


class Moments:
    """n, sum (x - o) and sum (x - o)(x - o)' for an origin o; products in float32, sums over them in float64.

    Parameters
    ----------
    origin : (n_features,) float32, near the mean where that is far from zero, since digits drown in it otherwise
    gpu : the torch device to multiply on; None is numpy, whose product with the own transpose takes half the time
    """

    def __init__(self, origin: NDArray[np.float32], gpu: Any | None = None) -> None:  # noqa: ANN401 - a device
        width = len(origin)
        self.rows = np.zeros(1)
        self.sum = np.zeros(width)
        self.products = np.zeros((width, width))
        self._origin = origin
        self._shifted = bool(origin.any())
        self._gpu = gpu

    def add(self, features: NDArray[np.float32] | csr_matrix) -> None:
        """Add (n_rows, n_features) rows, dense or CSR; those of CSR are not made dense."""
        self.rows += features.shape[0]
        if not isinstance(features, np.ndarray):
            self._add_sparse(features)
            return
        for start in range(0, len(features), BLOCK):
            block = features[start : start + BLOCK]
            if self._shifted:
                block = block - self._origin
            self.sum += np.ones(len(block), np.float32) @ block
            self.products += self._product(block)

    def _product(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._gpu is None:
            product: NDArray[np.float32] = block.T @ block
            return product
        from sagecask_vectors import devices  # noqa: PLC0415 - jobs on a CPU do without torch

        rows = devices.tensor(block, self._gpu)
        found: NDArray[np.float32] = (rows.t() @ rows).cpu().numpy()
        return found

    def _add_sparse(self, features: csr_matrix) -> None:
        origin = self._origin.astype(np.float64)
        rows = features.astype(np.float64)
        found = (rows.T @ rows).tocoo()
        # each place stands once in a product
        self.products[found.row, found.col] += found.data
        total = np.asarray(rows.sum(axis=0)).reshape(-1)
        if self._shifted:
            cross = np.outer(total, origin)
            self.products += features.shape[0] * np.outer(origin, origin) - cross - cross.T
        self.sum += total - features.shape[0] * origin

    def merge(self, cluster: Cluster) -> None:
        """Make these the sums over all hosts, which have one origin."""
        cluster.sum(self.rows, self.sum, self.products)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The rows' mean, (n_features,)."""
        middle: NDArray[np.float64] = self._origin + self.sum / self.rows[0]
        return middle

    def scatter(self, *, centred: bool) -> NDArray[np.float64]:
        """Return the sum of (x - mean)(x - mean)', or of (x - o)(x - o)', in the place of the products."""
        if centred:
            about = self.sum / self.rows[0]
            self.products -= self.rows[0] * np.outer(about, about)
        return self.products


def components(scatter: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return singular values (count,), ascending, and components (n_features, count) of rows with such a scatter."""
    from scipy.linalg import eigh  # noqa: PLC0415 - training alone needs it

    width = len(scatter)
    squares, vectors = eigh(scatter, subset_by_index=[width - count, width - 1], check_finite=False)
    return np.sqrt(np.maximum(squares, 0)), vectors
