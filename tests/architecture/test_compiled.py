"""The compiled modules are there: they are optional, so a build that fails says nothing."""

import importlib
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUPS = [ROOT / "setup.py", *ROOT.glob("containers/*/setup.py")]
# some families have a core for each algorithm that wants one, found by its sources
FOLDERS = [path.parent for path in ROOT.glob("containers/*/sagecask_*/*/native/module.c")]
MODULES = sorted(
    [name for path in SETUPS for name in re.findall(r'Extension\(\s*"(\w[\w.]+)"', path.read_text("utf-8"))]
    + [".".join([*path.relative_to(ROOT / "containers").parts[1:], "_compiled"]) for path in FOLDERS]
)
COMPILER = os.environ.get("CC", "cc").split()[0]


def test_every_setup_names_its_modules():
    assert len(MODULES) >= len(SETUPS) > 1


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="there is no C compiler, so numpy does the work")
@pytest.mark.parametrize("module", MODULES)
def test_module_was_built_and_is_what_its_package_offers(module: str):
    importlib.import_module(module)
    package = importlib.import_module(module.rpartition(".")[0])
    assert {name: getattr(package, name) for name in package.__all__ if getattr(package, name) is None} == {}
