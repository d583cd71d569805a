"""Which center each row of a mini-batch is closest to, and what the rows of each center add up to; in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors import devices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# numbers in one block of distances: what stays in a core's cache, and what keeps a GPU busy
_BLOCK = {"cpu": 1 << 18, "cuda": 1 << 27}


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


class Rows:
    """The rows of a mini-batch on a device.

    Parameters
    ----------
    features : (n_rows, n_features) float32, dense or CSR
    origin : (n_features,) what dense rows are measured from, as are all centers; zeros for CSR
    """

    def __init__(
        self, features: NDArray[np.float32] | csr_matrix, where: torch.device, origin: NDArray[np.float32]
    ) -> None:
        self._where = where
        self._rows = devices.features(features, where)
        if origin.any():
            self._rows = self._rows - devices.tensor(origin, where)
        self._sparse = not isinstance(features, np.ndarray)
        if not isinstance(features, np.ndarray):
            # the row of each stored number
            owners = np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))
            self._owners = torch.from_numpy(owners).to(where)
        self._squares = self._square_lengths()

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def closest(self, centers: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the closest of (K, n_features) centers and the squared distance to it, (n_rows,) each."""
        labels = torch.empty(len(self), dtype=torch.int64, device=self._where)
        squared = torch.empty(len(self), dtype=torch.float32, device=self._where)
        factors, constants = self._prepared(centers)
        step = max(1, _BLOCK[self._where.type] // len(centers)) if not self._sparse else max(1, len(self))
        for start in range(0, len(self), step):
            block = self._distances(start, start + step, factors, constants)
            torch.min(block, dim=1, out=(squared[start : start + step], labels[start : start + step]))
        return labels, squared.add_(self._squares).clamp_(min=0)

    def squared_distances(self, centers: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the squared distances to each of (m, n_features) points, (n_rows, m)."""
        block = self._distances(0, len(self), *self._prepared(centers))
        found: NDArray[np.float32] = block.add_(self._squares[:, None]).clamp_(min=0).cpu().numpy()
        return found

    def tally(self, labels: torch.Tensor, squared: torch.Tensor, n_centers: int) -> Tally:
        """Add up the rows of each center."""
        sums = torch.zeros((n_centers, self._rows.shape[1]), device=self._where)
        if self._sparse:
            cells = labels[self._owners] * self._rows.shape[1]
            sums.view(-1).index_add_(0, cells + self._rows.col_indices(), self._rows.values())
        else:
            sums.index_add_(0, labels, self._rows)
        errors = torch.zeros(n_centers, device=self._where).index_add_(0, labels, squared)
        counts = torch.bincount(labels, minlength=n_centers)
        return Tally(_numbers(sums), _numbers(counts), _numbers(errors))

    def _prepared(self, centers: NDArray[np.floating]) -> tuple[torch.Tensor, torch.Tensor]:
        placed = torch.from_numpy(centers.astype(np.float32)).to(self._where)
        return placed.t(), (placed * placed).sum(dim=1)

    def _distances(self, start: int, stop: int, factors: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
        """Return squared distances less the rows' own square lengths."""
        if self._sparse:
            return (self._rows @ factors).mul_(-2).add_(constants)
        return torch.addmm(constants, self._rows[start:stop], factors, alpha=-2)

    def _square_lengths(self) -> torch.Tensor:
        if not self._sparse:
            return torch.einsum("ij,ij->i", self._rows, self._rows)
        values = self._rows.values()
        squares = torch.zeros(len(self), device=self._where)
        return squares.index_add_(0, self._owners, values * values)


def _numbers(values: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(values.cpu().numpy(), np.float64)
