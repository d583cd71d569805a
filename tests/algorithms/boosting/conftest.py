"""An XGBoost job in a real job folder, fitted in this process."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sagecask import registry
from sagecask.contract import TrainingJob
from sagecask.train.run import prepare

if TYPE_CHECKING:
    from sagecask.testing.job_directory import JobDirectory


def csv(*columns):
    """Return CSV bytes; columns are (n_rows,) or (n_rows, n_columns), NaN becomes an empty cell."""
    rows = np.column_stack([np.asarray(column, np.float32) for column in columns]).tolist()
    lines = (",".join("" if math.isnan(value) else repr(value) for value in row) for row in rows)
    return ("\n".join(lines) + "\n").encode()


class XGBoostJob:
    """Lays out channels and fits; `stop` may be set to a function that asks for the end."""

    def __init__(self, directory: JobDirectory) -> None:
        self.directory = directory
        self.algorithm = registry.load("xgboost")
        self.stop = lambda: False

    def rows(self, channel, *columns, name="part-1.csv", content_type="text/csv"):
        self.directory.channel(channel, {name: csv(*columns)}, content_type)
        return self

    def prepare(self, hosts=("algo-1",), **hyperparameters):
        self.directory.hyperparameters({"num_round": "3", "nthread": "1"} | hyperparameters)
        paths = self.directory.paths
        resource = {"current_host": hosts[0], "hosts": list(hosts), "network_interface_name": "eth0"}
        paths.resource_config.write_text(json.dumps(resource))
        (paths.config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": str(paths.checkpoints)}))
        return prepare(self.algorithm, TrainingJob.read(paths, {}), self.stop)

    def fit(self, **hyperparameters):
        return self.algorithm.fit(self.prepare(**hyperparameters))


@pytest.fixture
def xgboost_job(job_directory):
    return XGBoostJob(job_directory)


@pytest.fixture(scope="session")
def features():
    """(200, 4) float32, some missing."""
    rng = np.random.default_rng(5)
    values = rng.random((200, 4), dtype=np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    return values
