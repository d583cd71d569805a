"""The images under test: those of FAMILY, built for DEVICE, as `make test-image` names them."""

import os
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAMILY = os.environ.get("FAMILY", "boosting")
DEVICE = os.environ.get("DEVICE", "cpu")


def algorithms() -> list[str]:
    with (ROOT / "containers" / FAMILY / "pyproject.toml").open("rb") as file:
        return sorted(tomllib.load(file)["project"]["entry-points"]["sagecask.algorithms"])


@pytest.fixture(scope="session")
def family_image() -> str:
    """Name of the family's image, whose files those of its algorithms share."""
    return f"sagecask/{FAMILY}:{DEVICE}"


@pytest.fixture(scope="session", params=algorithms())
def algorithm(request) -> str:
    """Name of each algorithm of the family in turn."""
    return request.param


@pytest.fixture(scope="session")
def algorithm_image(algorithm) -> str:
    return f"sagecask/{algorithm}:{DEVICE}"


@pytest.fixture(scope="session")
def example(algorithm) -> Path:
    """The algorithm's example: a job, and a file to send to its endpoint."""
    return ROOT / "containers" / FAMILY / "examples" / algorithm
