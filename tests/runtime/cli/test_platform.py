"""The two commands that the platform calls, as it calls them."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

TRAIN = "from sagecask.cli import train_executable; train_executable()"
SERVE = "from sagecask.cli import serve_executable; serve_executable()"


def start(code: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("input/config", "input/data/train", "model", "output/data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "input/data/train/rows.csv").write_text("".join(f"{row % 2},{row % 2},{row}\n" for row in range(50)))
    (tmp_path / "input/config/hyperparameters.json").write_text('{"num_round": "2"}')
    (tmp_path / "input/config/inputdataconfig.json").write_text(
        '{"train": {"TrainingInputMode": "File", "ContentType": "text/csv"}}'
    )
    return tmp_path


def test_train_then_serve_with_the_platforms_variables(root, free_port):
    with start(TRAIN, "--container-argument", "1", SAGECASK_ROOT=str(root), SAGECASK_ALGORITHM="xgboost") as train:
        _, errors = train.communicate(timeout=60)
    assert (train.returncode, errors) == (
        0,
        "train: arguments without a meaning here are ignored: ['--container-argument', '1']\n",
    )
    assert (root / "model" / "xgboost-model").is_file()

    with start(SERVE, SAGECASK_ROOT=str(root), SAGEMAKER_BIND_TO_PORT=str(free_port)) as serve:
        try:
            assert answers(f"http://127.0.0.1:{free_port}/ping")
        finally:
            serve.send_signal(signal.SIGTERM)
            _, errors = serve.communicate(timeout=30)
    assert (serve.returncode, errors) == (0, "")


def answers(url: str) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status == 200
        except OSError:
            time.sleep(0.05)
    return False


def test_empty_variables_count_as_unset(root):
    (root / "model" / "sagecask.json").write_text('{"algorithm": "xgboost"}')
    with start(SERVE, SAGECASK_ROOT=str(root), SAGEMAKER_BIND_TO_PORT="", SAGECASK_ALGORITHM="") as serve:
        said, _ = serve.communicate(timeout=30)
    # no port and no algorithm were refused: the search came as far as the missing model file
    assert serve.returncode == 1
    assert f"{root}/model" in said
