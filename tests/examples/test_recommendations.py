"""The recommendations example runs with fewer epochs and ends in its plot."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "recommendations.py"


def test_example_ends_in_a_plot(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output", str(tmp_path / "movies"), "--epochs", "3"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "stars after 3 epochs" in done.stdout
    assert "for user 196:" in done.stdout
    assert (tmp_path / "movies" / "recommendations.png").read_bytes().startswith(b"\x89PNG")
