"""As `assignment`, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors import devices
from sagecask_vectors.kmeans.assignment import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.kmeans.assignment import Closest, Features

# numbers in one block of distances
_BLOCK = 1 << 27


class DeviceRows:
    """Rows on a device, which may be the CPU."""

    def __init__(self, features: Features, origin: NDArray[np.float32], where: torch.device) -> None:
        self._where = where
        self._rows = devices.features(features, where)
        self._sparse = not isinstance(features, np.ndarray)
        if not isinstance(features, np.ndarray):
            # the row of each stored number
            owners = np.repeat(np.arange(features.shape[0]), np.diff(features.indptr))
            self._owners = torch.from_numpy(owners).to(where)
        elif origin.any():
            self._rows = self._rows - devices.tensor(origin, where)
        self._squares = self._square_lengths()

    def closest(self, centers: NDArray[np.floating]) -> Closest:
        """See `Rows`."""
        count = len(self._squares)
        labels = torch.empty(count, dtype=torch.int64, device=self._where)
        squared = torch.empty(count, dtype=torch.float32, device=self._where)
        factors, constants = self._prepared(centers)
        # products of sparse rows are made whole
        step = max(1, count if self._sparse else _BLOCK // len(centers))
        for start in range(0, count, step):
            block = self._distances(slice(start, start + step), factors, constants)
            torch.min(block, dim=1, out=(squared[start : start + step], labels[start : start + step]))
        squared.add_(self._squares).clamp_(min=0)
        return labels.cpu().numpy(), squared.cpu().numpy()

    def squared_distances(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """See `Rows`."""
        block = self._distances(slice(None), *self._prepared(points))
        found: NDArray[np.float32] = block.add_(self._squares[:, None]).clamp_(min=0).cpu().numpy()
        return found

    def tally(self, closest: Closest, n_centers: int) -> Tally:
        """See `Rows`."""
        labels = torch.from_numpy(closest[0]).to(self._where)
        sums = torch.zeros((n_centers, self._rows.shape[1]), device=self._where)
        if self._sparse:
            cells = labels[self._owners] * self._rows.shape[1] + self._rows.col_indices()
            sums.view(-1).index_add_(0, cells, self._rows.values())
        else:
            members = torch.zeros((len(labels), n_centers), device=self._where)
            members.scatter_(1, labels[:, None], 1.0)
            # a product, whose sums come in the same order each time, unlike those of index_add_ on a GPU
            sums = members.t() @ self._rows
        tally = Tally.empty(n_centers, self._rows.shape[1])
        tally.sums[:] = sums.cpu().numpy()
        tally.counts[:] = np.bincount(closest[0], minlength=n_centers)
        tally.errors[:] = np.bincount(*closest, n_centers)
        return tally

    def _prepared(self, centers: NDArray[np.floating]) -> tuple[torch.Tensor, torch.Tensor]:
        placed = devices.tensor(centers.astype(np.float32), self._where)
        return placed.t(), (placed * placed).sum(dim=1)

    def _distances(self, part: slice, factors: torch.Tensor, constants: torch.Tensor) -> torch.Tensor:
        """Return squared distances less the rows' own square lengths."""
        if self._sparse:
            return (self._rows @ factors).mul_(-2).add_(constants)
        return torch.addmm(constants, self._rows[part], factors, alpha=-2)

    def _square_lengths(self) -> torch.Tensor:
        if not self._sparse:
            return torch.einsum("ij,ij->i", self._rows, self._rows)
        values = self._rows.values()
        squares = torch.zeros(self._rows.shape[0], device=self._where)
        return squares.index_add_(0, self._owners, values * values)
