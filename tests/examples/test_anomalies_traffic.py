"""The traffic example finds the great holidays and ends in its plot."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "anomalies_traffic.py"


def test_example_ends_in_a_plot(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--output", str(tmp_path / "traffic"), "--trees", "50"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Christmas Day" in done.stdout
    assert (tmp_path / "traffic" / "scores.png").read_bytes().startswith(b"\x89PNG")
