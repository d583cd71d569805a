"""Jobs of the vectors family in a real job folder, fitted in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sagecask import registry
from sagecask.contract import TrainingJob
from sagecask.formats import Batch
from sagecask.formats.recordio import write
from sagecask.train.run import prepare

if TYPE_CHECKING:
    from sagecask.testing.job_directory import JobDirectory

RECORDIO = "application/x-recordio-protobuf"


def csv(*columns):
    """Return CSV bytes; columns are (n_rows,) or (n_rows, n_columns)."""
    rows = np.column_stack([np.asarray(column, np.float32) for column in columns]).tolist()
    return "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()


class VectorsJob:
    """Lays out channels and fits.

    stop : may be set to a function that asks for the end
    checkpointed : whether the job has a checkpoint folder, from which a second fit goes on
    """

    def __init__(self, directory: JobDirectory) -> None:
        self.directory = directory
        self.stop = lambda: False
        self.checkpointed = False

    def records(self, channel, features, labels=None, name="part-1.pbr"):
        """Add a recordIO-protobuf file; features : dense or CSR."""
        labels = None if labels is None else np.asarray(labels, np.float32)
        features = np.asarray(features, np.float32) if isinstance(features, np.ndarray) else features
        self.directory.channel(channel, {name: write(Batch(features, labels))}, RECORDIO)
        return self

    def csv(self, channel, *columns, name="part-1.csv", content_type="text/csv"):
        """Add a CSV file."""
        self.directory.channel(channel, {name: csv(*columns)}, content_type)
        return self

    def prepare(self, algorithm, hosts=("algo-1",), **hyperparameters):
        """Return the job that `fit` gets."""
        self.directory.hyperparameters(hyperparameters)
        paths = self.directory.paths
        resource = {"current_host": hosts[0], "hosts": list(hosts), "network_interface_name": "eth0"}
        paths.resource_config.write_text(json.dumps(resource))
        if self.checkpointed:
            (paths.config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": str(paths.checkpoints)}))
        return prepare(registry.load(algorithm), TrainingJob.read(paths, {}), self.stop)

    def fit(self, algorithm, **hyperparameters):
        """Train in this process and return the model."""
        return registry.load(algorithm).fit(self.prepare(algorithm, **hyperparameters))


@pytest.fixture
def vectors_job(job_directory):
    return VectorsJob(job_directory)
