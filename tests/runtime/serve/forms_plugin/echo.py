"""An algorithm that takes every content type, answers in every answer type, and adds up each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sagecask.algorithm import Algorithm, Declaration, Inference, InferenceSettings, Model, Training
from sagecask.formats import Batch, MediaType, Predictions

if TYPE_CHECKING:
    from pathlib import Path


class EchoModel(Model):
    """Columns as in an answer of k-means or k-NN; `verbose` adds the features' number."""

    def save(self, folder: Path) -> None:
        raise AssertionError("serving saves nothing")

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:
        sums = np.asarray(batch.features.sum(axis=1), np.float32).reshape(-1)
        columns = {"score": sums, "predicted_label": (sums > 0).astype(np.float32)}
        if accept.parameters.get("verbose", "").lower() == "true":
            columns["width"] = np.full(len(batch), batch.width, np.float32)
        return Predictions(columns)


class Echo(Algorithm):
    """Needs no model file."""

    declaration: ClassVar = Declaration(
        name="echo",
        title="Echo",
        family="tests",
        learning="unsupervised",
        source=(),
        channels=(),
        metrics=(),
        tunable=(),
        inference=Inference(
            content_types=(
                "text/csv", "text/libsvm", "text/x-libsvm", "application/json", "application/jsonlines",
                "application/x-recordio-protobuf",
            ),
            accept=("application/json", "application/jsonlines", "text/csv", "application/x-recordio-protobuf"),
            default_accept="application/json",
            batch_accept="application/jsonlines",
        ),
        training=Training(),
    )  # fmt: skip

    @classmethod
    def hyperparameters(cls):
        raise AssertionError("serving asks for no hyperparameters")

    def fit(self, job):
        raise AssertionError("serving trains nothing")

    def load(self, folder: Path, settings: InferenceSettings) -> Model:
        return EchoModel()
