"""Fixtures of all tests, each a real thing."""

import socket
from pathlib import Path

import hypothesis
import pytest

from sagecask.testing.job_directory import JobDirectory

# how long an example takes says nothing on a machine that others use too
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture
def job_directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path / "ml")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
