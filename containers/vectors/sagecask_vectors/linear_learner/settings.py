"""What `auto` stands for, and the settings of the models that are trained side by side."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from sagecask_vectors.linear_learner.hyperparameters import LOSSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters

_log = logging.getLogger(__name__)

Optimizer = Literal["adam", "rmsprop", "sgd"]
MODELS = 32
# weights of all models together: with the optimizer's memory, four arrays of 4 bytes each
MOST_WEIGHTS = 2**28
LEARNING_RATES: dict[Optimizer, float] = {"adam": 0.01, "rmsprop": 0.005, "sgd": 0.1}
HALVING_STEPS = 400
# shares of the other models
SGD, RMSPROP = 0.5, 0.1
L1 = (1e-7, 1e-4)
WD = (1e-7, 1e-2)
SEED = 20171129


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How one of the models is trained; `positive_weight` is the power of the balanced weight, where it is tried."""

    optimizer: Optimizer
    learning_rate: float
    l1: float
    wd: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float
    positive_weight: float = 0.0

    def __str__(self) -> str:
        return (
            f"optimizer={self.optimizer}, learning_rate={self.learning_rate:.6g}, l1={self.l1:.6g}, wd={self.wd:.6g}, "
            f"lr_scheduler_step={self.lr_scheduler_step}, lr_scheduler_factor={self.lr_scheduler_factor:.6g}, "
            f"lr_scheduler_minimum_lr={self.lr_scheduler_minimum_lr:.6g}"
        )


def number(value: float | Literal["auto"], auto: float) -> float:
    """Return a hyperparameter's value, or what `auto` stands for."""
    return auto if value == "auto" else value


def loss_name(given: LinearLearnerHyperparameters) -> str:
    """Return the value of `loss`; auto is the first of the predictor type."""
    return LOSSES[given.predictor_type][0] if given.loss == "auto" else given.loss


def num_outputs(given: LinearLearnerHyperparameters) -> int:
    """Return the numbers that one model gives for a row."""
    if given.predictor_type != "multiclass_classifier":
        return 1
    assert given.num_classes is not None
    return given.num_classes


def num_models(given: LinearLearnerHyperparameters, n_weights: int) -> int:
    """Return how many models are trained; `n_weights` is what one of them has."""
    if "_tuning_objective_metric" in given.hidden:
        if given.num_models not in {"auto", 1}:
            _log.info("num_models is 1 inside a tuning job; %s was given", given.num_models)
        return 1
    if given.num_models != "auto":
        return given.num_models
    return max(1, min(MODELS, MOST_WEIGHTS // n_weights))


def neighbourhood(given: LinearLearnerHyperparameters, count: int) -> list[ModelSettings]:
    """Return the settings of `count` models: the given ones, and others drawn around them.

    What is given as 0 stays 0, and a method that is given stays; another number is drawn within a factor of 5 (learning
    rate), 3 (steps until it has halved) or 10 (l1, wd), and from wide ranges where `auto` leaves l1 and wd open.
    """
    draw = np.random.default_rng(SEED)
    first = _given(given)
    return [first, *(_near(first, given, draw.random(7)) for _ in range(1, count))]


def _given(given: LinearLearnerHyperparameters) -> ModelSettings:
    optimizer: Optimizer = "adam" if given.optimizer == "auto" else given.optimizer
    step = 10 if given.lr_scheduler_step == "auto" else given.lr_scheduler_step
    scheduled = given.use_lr_scheduler
    return ModelSettings(
        optimizer=optimizer,
        learning_rate=number(given.learning_rate, LEARNING_RATES[optimizer]),
        l1=number(given.l1, 0.0),
        wd=number(given.wd, 1e-5),
        lr_scheduler_step=step,
        lr_scheduler_factor=number(given.lr_scheduler_factor, 0.5 ** (step / HALVING_STEPS)) if scheduled else 1.0,
        lr_scheduler_minimum_lr=number(given.lr_scheduler_minimum_lr, 1e-5) if scheduled else 0.0,
    )


def _near(first: ModelSettings, given: LinearLearnerHyperparameters, places: NDArray[np.float64]) -> ModelSettings:
    """Return other settings; places : (7,) in [0, 1), all drawn whatever is used, so that none changes the others."""
    method, rate, l1, sparse, wd, halving, weight = places.tolist()
    optimizer = first.optimizer
    if given.optimizer == "auto" and method < SGD + RMSPROP:
        optimizer = "sgd" if method < SGD else "rmsprop"
    base = number(given.learning_rate, LEARNING_RATES[optimizer])
    return replace(
        first,
        optimizer=optimizer,
        learning_rate=base * 5 ** (2 * rate - 1),
        l1=0.0 if given.l1 == "auto" and sparse < 0.5 else _penalty(given.l1, l1, L1),
        wd=_penalty(given.wd, wd, WD),
        # a power of the factor that is given or stands for auto: halved as often, or up to 3 times as soon or late
        lr_scheduler_factor=first.lr_scheduler_factor ** (3 ** (2 * halving - 1)),
        positive_weight=weight,
    )


def _penalty(given: float | Literal["auto"], place: float, span: tuple[float, float]) -> float:
    """Return a penalty at a place in [0, 1) of its span, on a logarithmic scale."""
    if given == "auto":
        return math.exp(math.log(span[0]) + place * math.log(span[1] / span[0]))
    return given * 10 ** (2 * place - 1)
