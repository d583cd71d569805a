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


@pytest.fixture(params=[FAMILY, *algorithms()])
def image(request) -> str:
    """Name of each image of the family in turn: its own, and that of each algorithm."""
    return f"sagecask/{request.param}:{DEVICE}"
