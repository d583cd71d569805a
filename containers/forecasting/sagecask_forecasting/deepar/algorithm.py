"""DeepAR: what it declares, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_forecasting.deepar.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_forecasting.deepar.hyperparameters import DeepARHyperparameters
    from sagecask_forecasting.deepar.model import DeepARModel


class DeepAR(Algorithm):
    """Probabilistic forecasts of many related series by one recurrent network.

    Of series i it fits the distribution of each point given those before, z(i, t) ~ p(. | θ(h(i, t))), with
    h(i, t) = LSTM(h(i, t-1), lagged z(i, .), features of time t, embedded categories of i), by maximum likelihood:

        minimise  -Σ log p(z(i, t) | θ(h(i, t)))    over windows drawn from the series

    Forecasts are sample paths: what is drawn for one point is what the next one has been given as its past.

    The wrong choice for one short series, or for series that have nothing in common: exponential smoothing does better
    there and needs no training. It extrapolates no trend that no series has shown.

    Reference: Salinas, Flunkert, Gasthaus and Januschowski, DeepAR: Probabilistic forecasting with autoregressive
    recurrent networks, International Journal of Forecasting 36(3), 2020, section 3.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[DeepARHyperparameters]:
        from sagecask_forecasting.deepar.hyperparameters import (  # noqa: PLC0415 - serving does without it
            DeepARHyperparameters,
        )

        return DeepARHyperparameters

    def fit(self, job: Job[DeepARHyperparameters]) -> DeepARModel:
        from sagecask_forecasting.deepar.training import train  # noqa: PLC0415 - imports torch

        return train(job)

    def load(self, folder: Path, settings: InferenceSettings) -> DeepARModel:
        from sagecask_forecasting.deepar.loading import load  # noqa: PLC0415 - as in fit

        return load(folder, settings)
