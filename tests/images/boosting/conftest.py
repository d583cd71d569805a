"""The image of XGBoost, a job for it, and a model that it trained."""

import os

import numpy as np
import pytest

from sagecask.testing.container import train_in
from sagecask.testing.job_directory import JobDirectory

N_FEATURES = 5


def csv(rows) -> bytes:
    return "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in rows).encode()


@pytest.fixture(scope="session")
def image() -> str:
    return f"sagecask/xgboost:{os.environ.get('DEVICE', 'cpu')}"


@pytest.fixture(scope="session")
def rows():
    """Labels, then features, float64 (400, 6)."""
    features = np.random.default_rng(7).normal(size=(400, N_FEATURES))
    return np.c_[features[:, 0] * features[:, 1] + features[:, 2] > 0, features]


def lay_out(folder, rows) -> JobDirectory:
    job = JobDirectory(folder).hyperparameters({"num_round": 100, "objective": "binary:logistic"})
    return job.channel("train", {"part-0.csv": csv(rows[:300])}).channel("validation", {"part-0.csv": csv(rows[300:])})


@pytest.fixture
def job(tmp_path, rows) -> JobDirectory:
    return lay_out(tmp_path / "ml", rows)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, image, rows) -> JobDirectory:
    """The job after its training in the image: a hundred trees."""
    job = lay_out(tmp_path_factory.mktemp("trained") / "ml", rows)
    outcome = train_in(image, job)
    assert (outcome.code, outcome.failure) == (0, None), outcome.log
    return job
