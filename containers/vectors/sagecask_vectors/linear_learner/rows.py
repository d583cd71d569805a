"""Rows as they are trained on, shifted and scaled: their product with weights, and that of gradients with them.

Sparse rows stay sparse: with D = 1 / scale, (X - 1 shiftᵀ) D W = X (D W) - 1 (shiftᵀ D W), and likewise for the
gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors import devices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask_vectors.linear_learner.scaling import Scaling


class Scaler:
    """Puts rows on a device, shifted and scaled."""

    def __init__(self, scaling: Scaling, where: torch.device) -> None:
        self.where = where
        self.factor = torch.from_numpy((1 / scaling.scale).astype(np.float32)).to(where)
        self.offset = torch.from_numpy((-scaling.shift / scaling.scale).astype(np.float32)).to(where)
        self.shifted = bool(scaling.shift.any())
        self._scaled = torch.empty(0)

    def rows(self, features: NDArray[np.float32] | csr_matrix) -> DenseRows | SparseRows:
        """Return rows to multiply with; dense ones hold until the next are asked for."""
        if isinstance(features, np.ndarray):
            # fresh memory for each mini-batch would cost as much as the pass itself
            if self._scaled.shape != features.shape:
                self._scaled = torch.empty(features.shape, device=self.where)
            rows = devices.tensor(features, self.where)
            return DenseRows(torch.addcmul(self.offset, rows, self.factor, out=self._scaled))
        return SparseRows(devices.features(features, self.where), self)


class DenseRows:
    """Rows of a matrix (n_rows, n_features), scaled."""

    def __init__(self, rows: torch.Tensor) -> None:
        self._rows = rows

    def times(self, weights: torch.Tensor) -> torch.Tensor:
        """Return (n_rows, n_columns) outputs; weights : (n_features + 1, n_columns), the bias last."""
        return torch.addmm(weights[-1], self._rows, weights[:-1])

    def gradient(self, derivatives: torch.Tensor, out: torch.Tensor) -> None:
        """Fill the gradient by the weights, summed over rows, from (n_rows, n_columns) derivatives by the outputs."""
        torch.mm(self._rows.t(), derivatives, out=out[:-1])
        torch.sum(derivatives, dim=0, out=out[-1])


class SparseRows:
    """Rows of a CSR tensor as they came, scaled by what they are multiplied with."""

    def __init__(self, rows: torch.Tensor, scaler: Scaler) -> None:
        self._rows = rows
        self._scaler = scaler

    def times(self, weights: torch.Tensor) -> torch.Tensor:
        outputs = self._rows @ (weights[:-1] * self._scaler.factor[:, None])
        bias = weights[-1]
        return outputs.add_(bias + self._scaler.offset @ weights[:-1] if self._scaler.shifted else bias)

    def gradient(self, derivatives: torch.Tensor, out: torch.Tensor) -> None:
        torch.sum(derivatives, dim=0, out=out[-1])
        torch.mul(torch.mm(self._rows.t(), derivatives), self._scaler.factor[:, None], out=out[:-1])
        if self._scaler.shifted:
            out[:-1].addr_(self._scaler.offset, out[-1])
