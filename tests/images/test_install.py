"""What `images/install.py` takes of the builds that constraints.txt pins."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = """
numpy==2.4.0 \\
    --hash=sha256:1a \\
    --hash=sha256:2b
Thing.Name==1.5 ; sys_platform == 'linux' \\
    --hash=sha256:3c
# a build of its own
thing_name==1.5+cpu --hash=sha256:4d
"""


@pytest.fixture(scope="module")
def install():
    spec = importlib.util.spec_from_file_location("install", ROOT / "images" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pinned(install, tmp_path):
    path = tmp_path / "constraints.txt"
    path.write_text(PINS)
    return install.pins(path)


def wheel(folder: Path, version: str) -> None:
    """Write a wheel that holds nothing."""
    meta = f"thing_name-{version}.dist-info"
    with zipfile.ZipFile(folder / f"thing_name-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{meta}/METADATA", f"Metadata-Version: 2.1\nName: thing-name\nVersion: {version}\n")
        file.writestr(f"{meta}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{meta}/RECORD", "")


def test_a_distribution_may_have_two_builds_of_one_version(pinned):
    words = {name: {version: line.split() for version, line in builds.items()} for name, builds in pinned.items()}
    assert words == {
        "numpy": {"2.4.0": ["numpy==2.4.0", "--hash=sha256:1a", "--hash=sha256:2b"]},
        "thing-name": {
            "1.5": ["Thing.Name==1.5", ";", "sys_platform", "==", "'linux'", "--hash=sha256:3c"],
            "1.5+cpu": ["thing_name==1.5+cpu", "--hash=sha256:4d"],
        },
    }


@pytest.mark.parametrize(
    ("shown", "gpu", "chosen"),
    [
        (["1.5", "1.5+cpu", "1.6"], False, "1.5+cpu"),
        (["1.5", "1.6"], False, "1.5"),
        (["1.5", "1.5+cpu", "1.6"], True, "1.5"),
    ],
)
def test_build_for_cpus_is_taken_where_pip_is_shown_it(install, pinned, tmp_path, shown, gpu, chosen):
    for version in shown:
        wheel(tmp_path, version)
    allowed, report = tmp_path / "allowed.txt", tmp_path / "report.json"
    allowed.write_text("".join(f"{line}\n" for line in install.allowed(pinned, gpu=gpu)))
    options = ["--isolated", "--dry-run", "--ignore-installed", "--no-index", "--find-links", tmp_path]
    command = [sys.executable, "-m", "pip", "install", "-qq", *options, "--constraint", allowed, "--report", report]
    subprocess.run([*command, "thing-name"], check=True)
    (found,) = json.loads(report.read_text())["install"]
    assert found["metadata"]["version"] == chosen
