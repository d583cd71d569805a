"""Steps of stochastic gradient descent for many models at once, each with its own method and rates.

All methods are one formula with coefficients of their own (a column a model's output):

    g = gradient + wd w        m = c1 m + k1 g        v = c2 v + k2 g²
    step = rate / (s √v + e)   w = shrink(w - step m, step l1)

Adam (Kingma and Ba, 2015, algorithm 1, with the corrections in the rate) has s = 1; RMSprop has m = g; SGD with
momentum has s = 0 and e = 1. shrink moves towards 0 by at most its second argument (the proximal step of the L1
penalty), so that every method has the same optimum, and weights become 0 exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors.linear_learner import native

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sagecask_vectors.linear_learner.settings import ModelSettings

EPSILON = 1e-8
RMSPROP_DECAY = 0.9
_BLOCK = 128


class Coefficients:
    """What stays the same for all steps, each (n_columns,) float32, and all of them as rows of `table`.

    Parameters
    ----------
    settings : of each model
    outputs : columns of a model
    decays : beta_1, beta_2 and momentum
    penalty : factor of wd, and of l1
    """

    def __init__(
        self,
        settings: Sequence[ModelSettings],
        outputs: int,
        decays: tuple[float, float, float],
        penalty: tuple[float, float],
        where: torch.device,
    ) -> None:
        beta_1, beta_2, momentum = decays
        rows = {
            "adam": (beta_1, 1 - beta_1, beta_2, 1 - beta_2, 1.0, EPSILON),
            "rmsprop": (0.0, 1.0, RMSPROP_DECAY, 1 - RMSPROP_DECAY, 1.0, EPSILON),
            "sgd": (momentum, 1.0, 0.0, 0.0, 0.0, 1.0),
        }
        # momentum adds up to gradients 1 / (1 - momentum) times as large, and the L1 penalty has to keep up
        pull = {"adam": 1.0, "rmsprop": 1.0, "sgd": 1 / (1 - momentum)}
        table = np.array(
            [
                (*rows[each.optimizer], each.wd * penalty[0], each.l1 * penalty[1] * pull[each.optimizer])
                for each in settings
            ],
            np.float32,
        )
        self.table = torch.from_numpy(np.repeat(table, outputs, axis=0).T.copy()).to(where)
        self.c1, self.k1, self.c2, self.k2, self.s, self.e, self.wd, self.l1 = self.table
        self.shrinks = bool((table[:, 7] > 0).any())


class Rates:
    """The learning rate of each model at each step, with Adam's corrections."""

    def __init__(
        self, settings: Sequence[ModelSettings], outputs: int, betas: tuple[float, float], where: torch.device
    ) -> None:
        self._table = [
            np.array(column)
            for column in zip(
                *(
                    (
                        each.learning_rate,
                        each.lr_scheduler_step,
                        each.lr_scheduler_factor,
                        each.lr_scheduler_minimum_lr,
                        each.optimizer == "adam",
                    )
                    for each in settings
                ),
                strict=True,
            )
        ]
        self._outputs = outputs
        self._betas = betas
        self._where = where
        self._first = -_BLOCK
        self._block = torch.empty(0)

    def at(self, step: int) -> torch.Tensor:
        """Return (1, n_columns) float32 rates of a step, from 0."""
        if not self._first <= step < self._first + _BLOCK:
            self._first = step - step % _BLOCK
            table = self.table(np.arange(self._first, self._first + _BLOCK))
            self._block = torch.from_numpy(np.repeat(table, self._outputs, axis=1)).to(self._where)
        return self._block[step - self._first : step - self._first + 1]

    def table(self, steps: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (n_steps, n_models) rates."""
        start, step, factor, floor, adam = self._table
        # a power by its logarithm, which numpy takes several at a time
        rates = start * np.exp((steps[:, None] // step) * np.log(factor))
        # a floor above the first rate would raise it
        rates = np.maximum(rates, np.minimum(floor, start))
        first, second = (-np.expm1((steps + 1.0) * np.log(max(beta, 1e-300))) for beta in self._betas)
        return np.asarray(np.where(adam, rates * (np.sqrt(second) / first)[:, None], rates), np.float32)


class Group:
    """Weights that are stepped alike, and what they remember of earlier gradients.

    first, second : running means of gradients and of their squares, of the weights' shape

    Parameters
    ----------
    weights, average, gradient : (n_rows, n_columns) float32, changed in place by each step
    rate_mult : factor of the learning rates
    """

    def __init__(
        self,
        weights: torch.Tensor,
        average: torch.Tensor,
        gradient: torch.Tensor,
        coefficients: Coefficients,
        rate_mult: float = 1.0,
    ) -> None:
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self._weights, self._average, self._gradient = weights, average, gradient
        self._coefficients = coefficients
        self._rate_mult = rate_mult
        self._table = coefficients.table.cpu().numpy()
        self._spare = torch.empty(0)
        self._arrays: tuple[NDArray[np.float32], ...] = ()
        if weights.device.type == "cpu":
            whole = weights, self.first, self.second, average, gradient
            # views of the same memory
            self._arrays = tuple(tensor.numpy() for tensor in whole)

    def step(self, rates: torch.Tensor, scale: float, recency: float) -> None:
        """Move the weights against the gradient, which is used up.

        Parameters
        ----------
        rates : (1, n_columns)
        scale : factor of the gradient
        recency : share of the new weights in the average
        """
        if self._rate_mult != 1:
            rates = rates * self._rate_mult
        if not self._arrays:
            self.step_by_tensors(rates, scale, recency)
            return
        weights, first, second, average, gradient = self._arrays
        table = self._table
        native.step(weights, first, second, average, gradient, rates.numpy(), table, scale, recency)

    def step_by_tensors(self, rates: torch.Tensor, scale: float, recency: float) -> None:
        """Do the same on any device, operation by operation."""
        weights, gradient, of = self._weights, self._gradient, self._coefficients
        if self._spare.shape != weights.shape:
            self._spare = torch.empty_like(weights)
        spare = self._spare
        gradient.mul_(scale).addcmul_(weights, of.wd)
        self.first.mul_(of.c1).addcmul_(gradient, of.k1)
        self.second.mul_(of.c2)
        gradient.mul_(gradient).mul_(of.k2)
        self.second.add_(gradient)
        torch.sqrt(self.second, out=spare).mul_(of.s).add_(of.e)
        torch.div(rates, spare, out=spare)
        weights.addcmul_(spare, self.first, value=-1)
        if of.shrinks:
            spare.mul_(of.l1)
            torch.clamp(weights, min=spare.neg(), max=spare, out=gradient)
            weights.sub_(gradient)
        self._average.lerp_(weights, recency)
