"""The example runs as a reader runs it, over fewer digits."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_example_writes_its_plot(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "pca_digits.py"), str(tmp_path / "job"), "1200"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "job" / "pca_digits.png").stat().st_size > 10_000
