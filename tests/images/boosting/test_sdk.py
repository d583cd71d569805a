"""The examples with both versions of the SageMaker Python SDK, run as a user runs them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import docker
import pytest

pytestmark = [pytest.mark.image, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
IMAGE = "sagecask/xgboost:cpu"
V2 = ("sagemaker==2.257.7",)
# what `ModelTrainer` needs of version 3.27.0; the whole of it also brings mlflow and much else
V3 = ("sagemaker-core==2.27.0", "graphene<4", "jinja2<4", "nest-asyncio")
V3_ALONE = ("sagemaker-train==1.27.0",)


def environment(name: str, packages: tuple[str, ...], alone: tuple[str, ...] = ()) -> Path:
    """Return the interpreter of a virtual environment with the packages, kept between runs outside the tree."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sagecask"
    folder = cache / name
    python = folder / "bin" / "python"
    complete = folder / "complete"
    wanted = " ".join((*packages, *alone))
    if not complete.is_file() or complete.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *packages], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        complete.write_text(wanted)
    return python


def run(python: Path, script: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(python), str(ROOT / "examples" / script), "--image", IMAGE, "--folder", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(autouse=True)
def containers_removed(tmp_path):
    """Remove what the SDK leaves behind: the stopped containers of its compose projects."""
    yield
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": "com.docker.compose.project.working_dir"}):
        if container.labels["com.docker.compose.project.working_dir"].startswith(str(tmp_path)):
            container.remove(force=True)
    client.close()


@pytest.mark.timeout(600)
def test_version_2_fits_deploys_predicts_and_transforms(tmp_path, free_port):
    said = run(environment("sdk-v2", V2), "sagemaker_v2.py", tmp_path, "--port", str(free_port))
    assert f"model: file://{tmp_path}/output/model.tar.gz" in said
    accuracy = re.search(r"predicted: 200 rows, accuracy (0\.\d+|1\.000)", said)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.9
    assert "transformed: 200 rows, the same scores" in said


@pytest.mark.timeout(600)
def test_version_3_trains_in_local_container_mode(tmp_path):
    said = run(environment("sdk-v3", V3, V3_ALONE), "sagemaker_v3.py", tmp_path)
    archive = f"{tmp_path}/compressed_artifacts/model.tar.gz"
    assert f"model: {archive} with sagecask.json, xgboost-model" in said
