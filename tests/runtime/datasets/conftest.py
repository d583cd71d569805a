import subprocess
import sys

import pytest

CSV = "label,x,y\n1,2,\n0,0,5.25\n1,-1,0.1\n"


@pytest.fixture
def table(tmp_path):
    """A CSV file with a header row, three rows of two features, one value missing."""
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def sagecask(tmp_path):
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sagecask.cli", *map(str, arguments)],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip

    return run
