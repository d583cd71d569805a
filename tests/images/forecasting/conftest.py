"""The family's one algorithm; what only images for GPUs must do is not collected for those for CPUs."""

import os
from pathlib import Path

import pytest

from sagecask.testing.job_directory import JobDirectory

DEVICE = os.environ.get("DEVICE", "cpu")
EXAMPLE = Path(__file__).parents[3] / "containers" / "forecasting" / "examples" / "forecasting-deepar"

collect_ignore = [] if DEVICE == "gpu" else ["test_gpu.py"]


@pytest.fixture(scope="session")
def image():
    return f"sagecask/forecasting-deepar:{DEVICE}"


@pytest.fixture
def job(tmp_path):
    """The example's job in a folder of its own."""
    return JobDirectory.copy_of(EXAMPLE, tmp_path / "ml")
