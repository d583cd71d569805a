"""Steps over dense rows by torch, on whatever device: the same steps as those of the compiled machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors import devices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster
    from sagecask_vectors.factorization_machines.settings import Optimizer
    from sagecask_vectors.factorization_machines.weights import Weights

    # of bias, linear weights and factors
    Groups = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

BETA1, BETA2 = 0.9, 0.999


class DenseEngine:
    """Dense rows on a device; gradients are summed over hosts."""

    def __init__(self, weights: Weights, optimizer: Optimizer, cluster: Cluster, where: torch.device) -> None:
        self._weights = weights
        self._optimizer = optimizer
        self._cluster = cluster
        self._device = where
        groups = weights.bias, weights.linear[:, None], weights.factors
        self._groups: Groups = tuple(torch.from_numpy(group.copy()).to(where) for group in groups)  # type: ignore[assignment]
        self._means = [torch.zeros_like(group) for group in self._groups]
        self._squares = [torch.zeros_like(group) for group in self._groups]
        # mini-batches that the bias, and each feature, took part in
        self._steps = [torch.zeros(size, dtype=torch.float64, device=where) for size in ((1,), self._groups[1].shape)]

    def learn(
        self, features: NDArray[np.float32] | csr_matrix, labels: NDArray[np.float32], size: int
    ) -> NDArray[np.float32]:
        rows = features if isinstance(features, np.ndarray) else features.toarray()
        x, y = devices.tensor(rows, self._device), devices.tensor(labels, self._device)
        if self._cluster.size > 1:
            return self._step(x, y).cpu().numpy()
        parts = [self._step(x[at : at + size], y[at : at + size]) for at in range(0, len(y), size)]
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0, np.float32)

    def finish(self) -> None:
        arrays = self._weights.bias, self._weights.linear[:, None], self._weights.factors
        for array, group in zip(arrays, self._groups, strict=True):
            array[...] = group.cpu().numpy()

    def _step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Take one step; return the rows' scores before it."""
        bias, linear, factors = self._groups
        sums = x @ factors
        # sum over pairs: Rendle 2010, lemma 3.1
        scores = bias + (x @ linear)[:, 0] + (sums.square().sum(1) - (x.square() @ factors.square()).sum(1)) / 2
        errors = (torch.sigmoid(scores) if self._optimizer.logistic else scores) - y
        slopes = (
            errors.sum()[None],
            (errors @ x)[:, None],
            x.T @ (errors[:, None] * sums) - factors * (errors @ x.square())[:, None],
        )
        touched = (x != 0).any(0)[:, None].float()
        self._update(*self._joined(slopes, touched, len(y)))
        return scores

    def _joined(self, slopes: Groups, touched: torch.Tensor, count: int) -> tuple[Groups, torch.Tensor, int]:
        """Return gradients, touched features and number of rows of all hosts."""
        if self._cluster.size == 1:
            return slopes, touched, count
        arrays = [each.contiguous().cpu().numpy() for each in (*slopes, touched)]
        rows = np.array([count])
        self._cluster.sum(*arrays, rows)
        bias, linear, factors, seen = (torch.from_numpy(array).to(self._device) for array in arrays)
        return (bias, linear, factors), seen, int(rows[0])

    def _update(self, slopes: Groups, touched: torch.Tensor, rows: int) -> None:
        """Adam, as `adam` in machine.c: features that no row of the mini-batch has stay as they are."""
        here = [torch.ones(1, dtype=torch.bool, device=self._device), touched > 0, touched > 0]
        self._steps[0] += 1
        self._steps[1] += here[1]
        steps = [self._steps[0], self._steps[1], self._steps[1]]
        scale = self._optimizer.scale or 1 / rows
        for index, kept in enumerate(here):
            mean, square = self._means[index], self._squares[index]
            slope = scale * slopes[index] + self._optimizer.decays[index] * self._groups[index]
            slope = slope.clamp(-self._optimizer.clip, self._optimizer.clip)
            mean += kept * (1 - BETA1) * (slope - mean)
            square += kept * (1 - BETA2) * (slope.square() - square)
            correction = torch.sqrt(1 - BETA2 ** steps[index]) / (1 - BETA1 ** steps[index]).clamp(min=1 - BETA1)
            rate = kept * (self._optimizer.rates[index] * correction).float()
            self._groups[index].sub_(rate * mean / (square.sqrt() + self._optimizer.epsilon))
