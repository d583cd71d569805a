"""The tourism example forecasts, compares and ends in its plot."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "forecast_tourism.py"


def test_example_ends_in_a_plot(tmp_path: Path) -> None:
    folder = tmp_path / "tourism"
    command = [sys.executable, str(SCRIPT), "--output", str(folder), "--series", "40", "--epochs", "2"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^DeepAR +mean MASE \d\.\d+, sMAPE \d+\.\d+$", done.stdout, re.MULTILINE)
    assert (folder / "forecasts.png").read_bytes().startswith(b"\x89PNG")
