"""Fixtures of all tests, each a real thing."""

from pathlib import Path

import hypothesis
import pytest

from sagecask.local.ports import free_port
from sagecask.testing.job_directory import JobDirectory

# how long an example takes says nothing on a machine that others use too
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture
def job_directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path / "ml")


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()
