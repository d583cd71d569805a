"""Series, and jobs of DeepAR in a real job folder, fitted in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sagecask_forecasting.deepar.algorithm import DeepAR

from sagecask import artifact
from sagecask.contract import TrainingJob
from sagecask.formats import MediaType, Records
from sagecask.testing.job_directory import JobDirectory
from sagecask.train.run import prepare

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {
    "time_freq": "D", "context_length": 6, "prediction_length": 3, "epochs": 1, "mini_batch_size": 8, "num_cells": 4,
    "num_layers": 1, "num_eval_samples": 10,
}  # fmt: skip


class ForecastJobs:
    """Lays out jobs below a folder, fits them, asks their models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def waves(count=8, length=60, **fields):
        """Return series of weekly waves on levels of their own."""
        days = np.arange(length)
        levels = np.random.default_rng(0).uniform(5, 50, count)
        return [
            {
                "start": "2024-01-01 00:00:00",
                "target": np.round(level * (1 + 0.5 * np.sin(2 * np.pi * days / 7)), 3).tolist(),
                **fields,
            }
            for level in levels
        ]

    def job(self, train, test=None, label="job", **given):
        """Lay out a job over series, with other hyperparameters than `SMALL` where they are given."""
        directory = JobDirectory(self.folder / label).hyperparameters(SMALL | given).host("algo-1", ["algo-1"])
        for name, series in (("train", train), ("test", test)):
            if series is not None:
                text = "".join(json.dumps(each) + "\n" for each in series)
                directory.channel(name, {"series.json": text.encode()}, "json")
        return directory

    def fit(self, train, test=None, label="job", **given):
        """Train, save, and return the model as it was trained."""
        directory = self.job(train, test, label, **given)
        return self.run(directory)

    def run(self, directory):
        """Train a job that is laid out."""
        model = DeepAR().fit(prepare(DeepAR(), TrainingJob.read(directory.paths, {}), lambda: False))
        artifact.save(model, directory.paths.model, DeepAR.declaration)
        return model

    @staticmethod
    def ask(model, *instances, **configuration):
        """Return the columns of an answer."""
        places = [f"request body, instance {number}" for number in range(1, len(instances) + 1)]
        answer = model.predict(Records(list(instances), places, configuration), MediaType.parse("application/json"))
        return answer.columns


@pytest.fixture
def jobs(tmp_path):
    return ForecastJobs(tmp_path)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of a model of series with one category of three values, the second of which no series has."""
    jobs = ForecastJobs(tmp_path_factory.mktemp("small"))
    jobs.fit([*jobs.waves(4, cat=[0]), *jobs.waves(4, cat=[2])], cardinality="[3]")
    return jobs.folder / "job" / "model"
