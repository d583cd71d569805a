"""An algorithm whose instances are objects: what is in a basket, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sagecask.algorithm import Algorithm, Declaration, Inference, InferenceSettings, Model, Training
from sagecask.errors import DataError
from sagecask.formats import MediaType, Predictions, Records

if TYPE_CHECKING:
    from pathlib import Path


class BasketModel(Model[Records]):
    """Columns of numbers, of lists and of mappings; the configuration's `discount` is taken off."""

    def save(self, folder: Path) -> None:
        raise AssertionError("serving saves nothing")

    def predict(self, batch: Records, accept: MediaType) -> Predictions:
        for value, place in zip(batch.values, batch.places, strict=True):
            if not isinstance(value, dict):
                raise DataError(f"{place}: a basket is needed; got another value")
        discount = batch.configuration.get("discount", 0)
        baskets = [{name: np.float64(price) for name, price in value.items()} for value in batch.values]
        return Predictions(
            {
                "price": np.array([sum(each.values()) - discount for each in baskets]),
                "names": [sorted(each) for each in baskets],
                "prices": baskets,
            }
        )


class Basket(Algorithm):
    """Needs no model file."""

    declaration: ClassVar = Declaration(
        name="basket",
        title="Basket",
        family="tests",
        learning="unsupervised",
        source=(),
        channels=(),
        metrics=(),
        tunable=(),
        inference=Inference(
            content_types=("application/json", "application/jsonlines", "text/csv"),
            accept=("application/json", "application/jsonlines"),
            default_accept="application/json",
            records=True,
            malformed_status=415,
        ),
        training=Training(),
    )

    @classmethod
    def hyperparameters(cls):
        raise AssertionError("serving asks for no hyperparameters")

    def fit(self, job):
        raise AssertionError("serving trains nothing")

    def load(self, folder: Path, settings: InferenceSettings) -> BasketModel:
        return BasketModel()
