import random
import tarfile
from pathlib import Path

import pytest

from sagecask.local.description import JobDescription, LocalChannel
from sagecask.local.run import run


def write_rows(path: Path, count: int, *, label: bool, seed: int = 0) -> Path:
    """Write CSV rows of two features; the label is 1 where their sum is positive."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            first, second = draw.uniform(-1, 1), draw.uniform(-1, 1)
            file.write(f"{int(first + second > 0)}," * label + f"{first:.6f},{second:.6f}\n")
    return path


@pytest.fixture(scope="session")
def rows():
    return write_rows


@pytest.fixture(scope="session")
def environ() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def trained(tmp_path_factory, environ) -> Path:
    """Output folder of a real training job."""
    folder = tmp_path_factory.mktemp("trained")
    job = JobDescription(
        "xgboost",
        {"train": LocalChannel(write_rows(folder / "rows.csv", 500, label=True), "text/csv")},
        {"num_round": "5", "objective": "binary:logistic"},
        output=folder / "out",
    )
    assert run(job, "process", environ, terminal=False) == 0
    with tarfile.open(folder / "out" / "model.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["sagecask.json", "xgboost-model"]
    return folder / "out"
