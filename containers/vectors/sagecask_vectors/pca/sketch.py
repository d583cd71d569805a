"""The rows of a stream, boiled down by random projections to few that have nearly the same products: randomized mode.

Algorithm 4.4 of Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 53 (2), 2011, on what was
kept so far and one mini-batch below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from sagecask_vectors import devices
from sagecask_vectors.stream import refuse_large

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster

    Features: TypeAlias = NDArray[np.float32] | csr_matrix

SEED = 0
# a projection alone has a tenth of the variance go astray when few directions stand out; these passes over the
# mini-batch in memory get it back
_ITERATIONS = 2


class _Stack:
    """What is kept, above the rows of a mini-batch less their mean; as a product on either side.

    kept : (n_kept, n_features) float32
    rows : (n_rows, n_features) float32, dense or CSR
    mean : (n_features,) float32 that each of the rows is to be less, or None
    """

    def __init__(self, kept: torch.Tensor, rows: torch.Tensor, mean: torch.Tensor | None) -> None:
        self._kept, self._rows, self._mean = kept, rows, mean

    def __len__(self) -> int:
        return len(self._kept) + len(self._rows)

    def from_left(self, factors: torch.Tensor) -> torch.Tensor:
        """Return factors @ stack, transposed: (n_features, n_factors)."""
        above, below = factors[:, : len(self._kept)], factors[:, len(self._kept) :]
        product = self._kept.t() @ above.t() + torch.mm(self._rows.t(), below.t().contiguous())
        # B - (1 / n) h' s, with h the sum of the columns of H
        return product if self._mean is None else product - torch.outer(self._mean, below.sum(dim=1))

    def from_right(self, factors: torch.Tensor) -> torch.Tensor:
        """Return stack @ factors: (n_kept + n_rows, n_factors)."""
        below = self._rows @ factors
        if self._mean is not None:
            below = below - self._mean @ factors
        return torch.cat([self._kept @ factors, below])


class Sketch:
    """At most `directions` rows at right angles to one another, whose products are nearly those of all rows.

    Parameters
    ----------
    centred : whether rows count less their mean
    stream : tells the random matrices of hosts apart
    """

    def __init__(self, width: int, directions: int, where: torch.device, *, centred: bool, stream: int = 0) -> None:
        self.rows = 0
        self.sum = np.zeros(width)
        self._directions = directions
        self._where = where
        self._centred = centred
        self._draw = np.random.default_rng((SEED, stream))
        self._kept = torch.zeros((0, width), device=where)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The rows' mean, (n_features,)."""
        return self.sum / self.rows

    def add(self, features: Features) -> None:
        """Add (n_rows, n_features) rows, dense or CSR."""
        if not features.shape[0]:
            return
        total = np.asarray(features.sum(axis=0, dtype=np.float64)).reshape(-1)
        rows = devices.features(features, self._where)
        self._join(rows, total, features.shape[0], inner=total / features.shape[0])

    def _join(self, rows: torch.Tensor, total: NDArray[np.float64], count: int, inner: NDArray[np.float64]) -> None:
        """Add rows that stand for `count` ones with the sum `total`; less `inner`, they are about their own mean."""
        kept = self._kept
        if self._centred and self.rows:
            # two groups about their own means lack what these means differ by
            apart = (total / count - self.mean) * np.sqrt(self.rows * count / (self.rows + count))
            kept = torch.cat([kept, devices.tensor(apart.astype(np.float32)[None], self._where)])
        less = devices.tensor(inner.astype(np.float32), self._where) if self._centred and inner.any() else None
        self._kept = self._boiled_down(_Stack(kept, rows, less))
        self.sum += total
        self.rows += count

    def _boiled_down(self, stack: _Stack) -> torch.Tensor:
        signs = self._draw.integers(0, 2, (self._directions, len(stack)), dtype=np.int8).astype(np.float32) * 2 - 1
        basis = torch.linalg.qr(stack.from_left(devices.tensor(signs, self._where)))[0]
        for _ in range(_ITERATIONS):
            basis = torch.linalg.qr(stack.from_left(stack.from_right(basis).t()))[0]
        projected = stack.from_right(basis).double()
        products = projected.t() @ projected
        refuse_large(float(products.sum()), 'channel "train"')
        squares, vectors = torch.linalg.eigh(products)
        lengths = squares.clamp(min=0).sqrt().float()
        directions: torch.Tensor = lengths[:, None] * (basis @ vectors.float()).t()
        return directions

    def merge(self, cluster: Cluster) -> None:
        """Make this the sketch of all hosts' rows, the same on every host."""
        if cluster.size == 1:
            return
        sketches = cluster.gather(self._kept.cpu().numpy())
        sums, counts = cluster.gather(self.sum[None]), cluster.gather(np.array([self.rows]))
        self.rows, self.sum, self._kept = 0, np.zeros_like(self.sum), self._kept[:0]
        self._draw = np.random.default_rng((SEED, cluster.size))
        for kept, total, count in zip(sketches, sums, counts, strict=True):
            if count[0]:
                rows = devices.tensor(kept, self._where)
                self._join(rows, total[0], int(count[0]), inner=np.zeros_like(self.sum))

    def components(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return singular values (count,), ascending, and components (n_features, count)."""
        vectors, values, _ = torch.linalg.svd(self._kept.double().t(), full_matrices=False)
        order = torch.arange(count - 1, -1, -1, device=vectors.device)
        return values[order].cpu().numpy(), vectors[:, order].cpu().numpy()
