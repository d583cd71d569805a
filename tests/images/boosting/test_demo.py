"""The demo of README.md in the image: the real Census-Income data, trained, served and reported."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.image, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]


def test_demo_trains_and_serves_in_the_image(tmp_path: Path) -> None:
    command = [sys.executable, "examples/census/demo.py", "--engine", "docker"]
    # the downloaded data are kept between runs
    download = ROOT / "demo" / "download"
    download.mkdir(parents=True, exist_ok=True)
    (tmp_path / "download").symlink_to(download)
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "both in the image sagecask/xgboost:cpu" in (tmp_path / "report.html").read_text(encoding="utf-8")
