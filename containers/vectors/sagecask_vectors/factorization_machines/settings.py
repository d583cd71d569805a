"""A job's hyperparameters as the numbers that start and optimizer take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask_vectors.factorization_machines.weights import Start, Weights, start

if TYPE_CHECKING:
    from sagecask_vectors.factorization_machines.hyperparameters import FactorizationMachinesHyperparameters

# what the table leaves without a default
EPSILON = 1e-8
SCALES = {"bias": 0.01, "linear": 0.01, "factors": 0.001}
# factors that are all zero have no gradient and would stay
VALUES = {"bias": 0.0, "linear": 0.0, "factors": 0.001}


@dataclass(frozen=True, slots=True)
class Optimizer:
    """Adam with a learning rate and weight decay a group.

    logistic : whether the loss is the log loss of sigmoid(score), else (score - label)² / 2
    rates, decays : of bias, linear weights and factors
    clip : infinite where gradients are not cut
    scale : what sums of gradients are multiplied by; 0 is 1 / rows of the mini-batch
    """

    logistic: bool
    rates: tuple[float, float, float]
    decays: tuple[float, float, float]
    epsilon: float = EPSILON
    clip: float = math.inf
    scale: float = 0


def optimizer_of(given: FactorizationMachinesHyperparameters) -> Optimizer:
    """Return the optimizer; a group that the model does without stays where it is."""
    return Optimizer(
        logistic=given.predictor_type == "binary_classifier",
        rates=(given.bias_lr * given.use_bias, given.linear_lr * given.use_linear, given.factors_lr),
        decays=(given.bias_wd, given.linear_wd, given.factors_wd),
        epsilon=EPSILON if given.eps is None else given.eps,
        clip=math.inf if given.clip_gradient is None else given.clip_gradient,
        scale=given.rescale_grad or 0,
    )


def weights_of(given: FactorizationMachinesHyperparameters) -> Weights:
    """Return the weights before training; groups that the model does without are zero."""
    none = Start("constant")
    return start(
        given.feature_dim,
        given.num_factors,
        _start(given, "bias") if given.use_bias else none,
        _start(given, "linear") if given.use_linear else none,
        _start(given, "factors"),
    )


def _start(given: FactorizationMachinesHyperparameters, group: str) -> Start:
    method = getattr(given, f"{group}_init_method")
    scale, value = getattr(given, f"{group}_init_scale"), getattr(given, f"{group}_init_value")
    spread = getattr(given, f"{group}_init_sigma")
    if method == "uniform":
        spread = SCALES[group] if scale is None else scale
    return Start(method, spread, VALUES[group] if value is None else value)
