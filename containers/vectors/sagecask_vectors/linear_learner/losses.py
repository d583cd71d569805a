"""Losses of linear models: what a row costs, and its derivative by the model's output.

Outputs of many models stand side by side. With y a row's label and f a model's output, e = y - f.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters


class Loss(ABC):
    """One loss over (n_rows, n_models, n_outputs) float32 outputs and (n_rows,) float32 labels.

    objective : name of the training objective in metric lines
    power : the loss of a label and output k times as large is k to this power as large
    """

    objective: str
    power: int = 0

    @abstractmethod
    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return (n_rows, n_models) losses."""

    @abstractmethod
    def differentiate(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        """Replace outputs, in place, by the derivatives of the loss by them."""


class Logistic(Loss):
    """log(1 + exp(f)) - y f, for labels 0 and 1."""

    objective = "binary_classification_cross_entropy_objective"

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        raw = outputs[:, :, 0]
        return softplus(raw) - labels[:, None] * raw

    def differentiate(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        outputs.sigmoid_().sub_(labels[:, None, None])


class Hinge(Loss):
    """max(0, (m + 1) / 2 - f) for label 1, max(0, (m - 1) / 2 + f) for label 0; m is the margin."""

    objective = "hinge_loss_objective"

    def __init__(self, margin: float) -> None:
        self._margin = margin

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        sign = (2 * labels - 1)[:, None]
        return (self._margin / 2 - sign * (outputs[:, :, 0] - 0.5)).clamp_(min=0)

    def differentiate(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        sign = (2 * labels - 1)[:, None, None]
        costs = outputs.sub_(0.5).mul_(sign) < self._margin / 2
        torch.mul(costs, -sign, out=outputs)


class Softmax(Loss):
    """log Σ exp(f_c) - f_y, for labels 0 to C - 1."""

    objective = "multiclass_cross_entropy_objective"

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        right = labels.long()[:, None, None].expand(-1, outputs.shape[1], 1)
        return torch.logsumexp(outputs, dim=2) - outputs.gather(2, right)[:, :, 0]

    def differentiate(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        torch.softmax(outputs, dim=2, out=outputs)
        right = labels.long()[:, None, None].expand(-1, outputs.shape[1], 1)
        outputs.scatter_add_(2, right, torch.full(right.shape, -1.0, device=outputs.device))


class OfError(Loss):
    """A loss of the error e = y - f alone, given as function and derivative by e."""

    def __init__(
        self,
        name: str,
        power: int,
        function: Callable[[torch.Tensor], torch.Tensor],
        derivative: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.objective = f"{name}_objective"
        self.power = power
        self._function = function
        self._derivative = derivative

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self._function(labels[:, None] - outputs[:, :, 0])

    def differentiate(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        torch.sub(labels[:, None, None], outputs, out=outputs)
        torch.neg(self._derivative(outputs), out=outputs)


def loss_of(name: str, given: LinearLearnerHyperparameters) -> Loss:
    """Return a loss by its hyperparameter value."""
    eps, delta, share = given.loss_insensitivity, given.huber_delta, given.quantile
    if name == "logistic":
        return Logistic()
    if name == "hinge_loss":
        return Hinge(given.margin)
    if name == "softmax_loss":
        return Softmax()
    if name == "squared_loss":
        return OfError("mse", 2, torch.square, lambda e: 2 * e)
    if name == "absolute_loss":
        return OfError(name, 1, torch.abs, torch.sign)
    if name == "eps_insensitive_squared_loss":
        return OfError(name, 2, lambda e: (e * e - eps * eps).clamp_(min=0), lambda e: 2 * e * (e.abs() > eps))
    if name == "eps_insensitive_absolute_loss":
        return OfError(name, 1, lambda e: (e.abs() - eps).clamp_(min=0), lambda e: e.sign() * (e.abs() > eps))
    if name == "quantile_loss":
        return OfError(name, 1, lambda e: torch.maximum(share * e, (share - 1) * e), lambda e: share - (e < 0).float())
    assert name == "huber_loss"
    # e²/2 up to delta, and the tangent there beyond
    return OfError(
        name,
        2,
        lambda e: torch.where(e.abs() < delta, e * e / 2, delta * e.abs() - delta * delta / 2),
        lambda e: e.clamp(-delta, delta),
    )
