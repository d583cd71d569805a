"""An algorithm that does what its requests say, to see how a server takes it: slow, wrong, dead."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sagecask.algorithm import Algorithm, Declaration, Inference, InferenceSettings, Model, Training
from sagecask.errors import AlgorithmError, DataError, ModelDataError
from sagecask.formats import Batch, MediaType, Predictions

if TYPE_CHECKING:
    from pathlib import Path


class ProbeModel(Model):
    """The first cell of the first row is the seconds to take; below zero it is what goes wrong."""

    def save(self, folder: Path) -> None:
        (folder / "probe-model").write_text("probe")

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:
        features = np.asarray(batch.features)
        what = int(features[0, 0]) if features[0, 0] < 0 else 0
        if what == -1:
            raise ValueError("a secret that only the log may tell")
        if what == -2:
            raise AlgorithmError("probe: the library must not fail; got a failure")
        if what == -3:
            raise DataError(f"rows: 1 column; got {batch.width}")
        if what == -4:
            os._exit(7)
        time.sleep(float(features[0, 0]))
        columns: dict[str, object] = {"score": features.sum(axis=1), "process": np.full(len(batch), os.getpid())}
        if accept.parameters:
            shown = ";".join(f"{name}={value}" for name, value in accept.parameters.items())
            columns["parameters"] = [shown] * len(batch)
        return Predictions(columns)


class Probe(Algorithm):
    """Loads whatever the file `probe-model` says."""

    declaration: ClassVar = Declaration(
        name="probe",
        title="Probe",
        family="tests",
        learning="supervised",
        source=(),
        channels=(),
        metrics=(),
        tunable=(),
        inference=Inference(
            content_types=("text/csv", "application/json"),
            accept=("application/json", "text/csv", "application/jsonlines"),
            default_accept="application/json",
            batch_accept="application/jsonlines",
        ),
        training=Training(),
    )

    @classmethod
    def hyperparameters(cls):
        raise AssertionError("serving asks for no hyperparameters")

    def fit(self, job):
        raise AssertionError("serving trains nothing")

    def load(self, folder: Path, settings: InferenceSettings) -> Model:
        try:
            text = (folder / "probe-model").read_text()
        except FileNotFoundError as error:
            raise ModelDataError(f"{folder / 'probe-model'}: a model; got none") from error
        if text == "slow":
            time.sleep(3600)
        if text == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if text == "broken":
            raise RuntimeError("the library broke")
        if text == "fatal":
            os._exit(7)
        return ProbeModel()
