"""The compiled modules are in the image: without them it would work, and be slow."""

import os
import re
from pathlib import Path

import pytest

from sagecask.testing.container import TrackedContainer

pytestmark = pytest.mark.image

ROOT = Path(__file__).resolve().parents[2]
FAMILY = os.environ.get("FAMILY", "boosting")
SETUPS = [path for path in (ROOT / "setup.py", ROOT / "containers" / FAMILY / "setup.py") if path.exists()]
MODULES = [name for path in SETUPS for name in re.findall(r'Extension\(\s*"([\w.]+)"', path.read_text("utf-8"))]


def test_compiled_modules_load(image):
    program = "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__name__)"
    command = ["-c", program, *MODULES]
    with TrackedContainer(image, *command, entrypoint="/opt/sagecask/bin/python", network_mode="none") as container:
        assert container.wait() == 0, container.log
        assert container.log.split() == MODULES
