"""Linear Learner: what it declares, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_vectors.linear_learner.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters
    from sagecask_vectors.linear_learner.model import LinearModel


class LinearLearner(Algorithm):
    """Linear and logistic regression, linear classifiers of two and of many classes.

    Of n rows x_i with label y_i it finds weights w and bias b that minimise

        1/n Σ loss(w x_i + b, y_i) + wd |w|² / 2 + l1 |w|

    on shifted and scaled rows, by mini-batch gradient descent for many settings at once, of which the one that does
    best on other data is kept.

    The wrong choice where the answer bends: interactions and thresholds must be put into the features. For tables
    that fit into memory and need no streaming, an exact solver is no worse.

    Reference: Bottou, Curtis and Nocedal, Optimization Methods for Large-Scale Machine Learning, SIAM Review 60(2),
    2018, section 3; Kingma and Ba, Adam, ICLR 2015, algorithm 1.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[LinearLearnerHyperparameters]:
        from sagecask_vectors.linear_learner.hyperparameters import (  # noqa: PLC0415 - serving does without it
            LinearLearnerHyperparameters,
        )

        return LinearLearnerHyperparameters

    def fit(self, job: Job[LinearLearnerHyperparameters]) -> LinearModel:
        from sagecask_vectors.linear_learner.training import train  # noqa: PLC0415 - imports torch

        return train(job)

    def load(self, folder: Path, settings: InferenceSettings) -> LinearModel:  # noqa: ARG002 - no variants
        from sagecask_vectors.linear_learner.loading import load  # noqa: PLC0415 - as in fit

        return load(folder)
