"""The example of Linear Learner learns from fewer rows as well, and ends in its plot."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "linear_census.py"


def test_example_ends_in_a_plot(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output", str(tmp_path / "census"), "--rows", "12000"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"AUC (\S+),", done.stdout).group(1)) > 0.92
    assert (tmp_path / "census" / "weights.png").read_bytes().startswith(b"\x89PNG")
