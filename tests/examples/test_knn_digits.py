"""The digits example runs on a part of its data and ends in its plot."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "knn_digits.py"


def test_example_ends_in_a_plot(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output", str(tmp_path / "digits"), "--rows", "600", "--k", "5"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "best k " in done.stdout
    assert (tmp_path / "digits" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
