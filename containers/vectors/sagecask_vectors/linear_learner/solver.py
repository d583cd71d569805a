"""Mini-batch descent of many linear models at once: one product of rows and weights, one of rows and derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors import devices
from sagecask_vectors.linear_learner.optimizers import Coefficients, Group, Rates

# steps near the n-th weigh as its power of this: about the last tenth of all steps counts (Shamir and Zhang, ICML 2013,
# section 4: polynomial-decay averaging)
RECENCY = 8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask.formats import Batch
    from sagecask_vectors.linear_learner.losses import Loss
    from sagecask_vectors.linear_learner.rows import DenseRows, Scaler, SparseRows
    from sagecask_vectors.linear_learner.settings import ModelSettings


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What all models have in common.

    outputs : columns of one model
    decays : beta_1, beta_2, momentum
    bias_mult : of the learning rate, and of wd
    class_weights : (n_classes, n_models or 1) float32, or None where every row counts the same
    """

    loss: Loss
    scaler: Scaler
    outputs: int
    decays: tuple[float, float, float]
    bias_mult: tuple[float, float]
    use_bias: bool
    class_weights: NDArray[np.float32] | None = None


class Solver:
    """The weights of all models and their way down.

    weights : (n_features + 1, n_models * n_outputs) float32 on the device, the bias in the last row; the columns of a
        model stand together
    average : the weights of all steps so far, averaged with the later ones counting more
    steps : mini-batches so far
    """

    def __init__(
        self, problem: Problem, settings: Sequence[ModelSettings], weights: NDArray[np.float32], cluster: Cluster
    ) -> None:
        where = problem.scaler.where
        self.weights = torch.from_numpy(weights).to(where)
        self.average = self.weights.clone()
        self.steps = 0
        self.n_models = len(settings)
        self._problem = problem
        self._cluster = cluster
        self._rates = Rates(settings, problem.outputs, problem.decays[:2], where)
        self._gradient = torch.empty_like(self.weights)
        self.groups = [
            Group(
                self.weights[part],
                self.average[part],
                self._gradient[part],
                Coefficients(settings, problem.outputs, problem.decays, penalty, where),
                mult,
            )
            for part, penalty, mult in (
                (slice(None, -1), (1.0, 1.0), 1.0),
                (slice(-1, None), (problem.bias_mult[1], 0.0), problem.bias_mult[0]),
            )
        ]
        self._class_weights = _on(problem.class_weights, where)

    def step(self, features: DenseRows | SparseRows, labels: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Move all models by the mean gradient over a mini-batch of all hosts.

        Returns
        -------
        loss : summed over the rows, of the first model before the step, weighted as it is trained on
        count : rows of all hosts
        """
        loss, count = self._differentiate(features, labels)
        if self._cluster.size > 1:
            loss, count = self._exchange(loss, count)
        rates = self._rates.at(self.steps)
        self.steps += 1
        for group in self.groups if self._problem.use_bias else self.groups[:1]:
            group.step(rates, 1 / max(count, 1), (RECENCY + 1) / (self.steps + RECENCY))
        return loss, count

    def judged(self) -> torch.Tensor:
        """Return the weights that models are judged by: the averages, and 0 where the L1 penalty has led to 0."""
        return torch.where(self.weights == 0, self.weights, self.average)

    def outputs(self, features: DenseRows | SparseRows, weights: torch.Tensor) -> torch.Tensor:
        """Return (n_rows, n_models, n_outputs) float32."""
        raw = features.times(weights)
        # a host may have no rows, of which torch cannot tell a size that is left to it
        return raw.view(len(raw), raw.shape[1] // self._problem.outputs, self._problem.outputs)

    def row_weights(self, labels: torch.Tensor) -> torch.Tensor | None:
        """Return (n_rows, n_models or 1) weights of the rows' classes, or None where all count the same."""
        return None if self._class_weights is None else self._class_weights[labels.long()]

    def _differentiate(self, features: DenseRows | SparseRows, labels: torch.Tensor) -> tuple[torch.Tensor, float]:
        outputs = self.outputs(features, self.weights)
        weights = self.row_weights(labels)
        losses = self._problem.loss.value(outputs[:, :1].contiguous(), labels)
        self._problem.loss.differentiate(outputs, labels)
        if weights is not None:
            losses = losses * weights[:, :1]
            outputs.mul_(weights[:, :, None])
        features.gradient(outputs.flatten(1), self._gradient)
        return losses.sum(), float(len(labels))

    def _exchange(self, loss: torch.Tensor, count: float) -> tuple[torch.Tensor, float]:
        numbers = np.array([loss.item(), count], np.float32)
        gradient = self._gradient.cpu().numpy()
        self._cluster.sum(gradient, numbers)
        self._gradient.copy_(torch.from_numpy(gradient))
        return torch.tensor(float(numbers[0])), float(numbers[1])

    def rows(self, batch: Batch) -> DenseRows | SparseRows:
        """Put the features of a batch on the device, scaled."""
        return self._problem.scaler.rows(batch.features)

    def labels(self, labels: NDArray[np.float32]) -> torch.Tensor:
        """Put labels on the device as they are."""
        return devices.tensor(np.ascontiguousarray(labels), self._problem.scaler.where)


def _on(array: NDArray[np.float32] | None, where: torch.device) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array).to(where)


def starting_weights(
    n_features: int, n_columns: int, draw: np.random.Generator, *, uniform: float | None, normal: float, bias: float
) -> NDArray[np.float32]:
    """Return weights drawn from [-uniform, uniform), or of standard deviation `normal`, and the bias in a last row."""
    weights = np.empty((n_features + 1, n_columns), np.float32)
    if uniform is None:
        draw.standard_normal(out=weights[:-1], dtype=np.float32)
        weights[:-1] *= normal
    else:
        draw.random(out=weights[:-1], dtype=np.float32)
        weights[:-1] -= 0.5
        weights[:-1] *= 2 * uniform
    weights[-1] = bias
    return weights
