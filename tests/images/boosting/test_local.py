"""`sagecask run`, `endpoint` and `transform` in the image, through the Docker SDK."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from sagecask.errors import UserError
from sagecask.local.container import LABEL
from sagecask.local.description import JobDescription, LocalChannel
from sagecask.local.endpoint import EndpointDescription, serving
from sagecask.local.run import run
from sagecask.local.transform import TransformDescription, transform

pytestmark = pytest.mark.image

SOCKET = Path("/var/run/docker.sock")
OTHER_USER = 12345


def job(folder: Path, **hyperparameters: str) -> JobDescription:
    draw = random.Random(0)
    with (folder / "rows.csv").open("w") as file:
        for _ in range(300):
            first, second = draw.uniform(-1, 1), draw.uniform(-1, 1)
            file.write(f"{int(first + second > 0)},{first},{second}\n")
    return JobDescription(
        "xgboost",
        {"train": LocalChannel(folder / "rows.csv", "text/csv")},
        {"num_round": "5", "objective": "binary:logistic"} | hyperparameters,
        output=folder / "out",
    )


@pytest.fixture(autouse=True)
def nothing_left():
    """See that no container outlives its command."""
    yield
    client = docker.from_env()
    left = client.containers.list(all=True, filters={"label": LABEL})
    client.close()
    assert left == []


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def test_training_serving_and_transform_in_the_image(tmp_path, free_port, capsys):
    assert run(job(tmp_path), "docker", os.environ, terminal=False) == 0
    assert "[4]\ttrain-logloss:" in capsys.readouterr().out
    assert owners(tmp_path / "out") == {os.getuid()}

    model = EndpointDescription(tmp_path / "out" / "model.tar.gz", port=free_port)
    with serving(model, "docker", os.environ, print, threading.Event()) as endpoint:
        request = urllib.request.Request(f"{endpoint.url}/invocations", b"0.9,0.9", {"Content-Type": "text/csv"})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert float(response.read()) > 0.5

    (tmp_path / "x.csv").write_text("0.9,0.9\n-0.9,-0.9\n")
    about = TransformDescription(tmp_path / "x.csv", tmp_path / "answers", "text/csv", None, "Line")
    transform(EndpointDescription(tmp_path / "out" / "model"), about, "docker", os.environ, terminal=False)
    first, second = map(float, (tmp_path / "answers" / "x.csv.out").read_text().split())
    assert first > 0.5 > second


def test_failed_job_in_the_image_ends_with_its_exit_code_and_failure(tmp_path, capsys):
    assert run(job(tmp_path, max_detph="3"), "docker", os.environ, terminal=False) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        'sagecask: training job failed with exit code 1: ClientError: xgboost: hyperparameter "max_detph" is unknown; '
        'did you mean "max_depth"?'
    )
    assert owners(tmp_path / "out") == {os.getuid()}


def test_image_that_the_engine_does_not_have_is_refused(tmp_path):
    about = JobDescription("xgboost", job(tmp_path).channels, image="sagecask/nothing:1", output=tmp_path / "out")
    with pytest.raises(UserError) as caught:
        run(about, "docker", os.environ, terminal=False)
    assert str(caught.value) == (
        'image: must be in the engine, built by `sagecask build` or pulled; got "sagecask/nothing:1", which is not'
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; the other tests run as one already")
def test_files_of_a_container_belong_to_the_caller(tmp_path_factory):
    # every folder above is open to root alone
    folder = tmp_path_factory.mktemp("other")
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    os.chown(folder, OTHER_USER, OTHER_USER)
    # forked, because the interpreter itself may lie where only root can read
    child = multiprocessing.get_context("fork").Process(target=run_as_other, args=(folder,))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert (folder / "out" / "model.tar.gz").is_file()
    assert owners(folder) == {OTHER_USER}


def run_as_other(folder: Path) -> None:
    os.setgroups([SOCKET.stat().st_gid])
    os.setgid(OTHER_USER)
    os.setuid(OTHER_USER)
    os._exit(run(job(folder), "docker", os.environ, terminal=False))


def test_pipes_manifests_and_files_of_one_job_reach_the_image(tmp_path):
    description = job(tmp_path)
    assert run(description, "docker", os.environ, terminal=False) == 0
    learned = (tmp_path / "out" / "model" / "xgboost-model").read_bytes()

    (tmp_path / "rows.manifest").write_text('[{"prefix": "ro"}, "ws.csv"]')
    channels = {
        "train": LocalChannel(tmp_path / "rows.csv", "text/csv", "Pipe", record_wrapper="RecordIO"),
        "validation": LocalChannel(tmp_path / "rows.manifest", "text/csv", data_type="ManifestFile"),
    }
    assert (
        run(replace(description, channels=channels, output=tmp_path / "piped"), "docker", os.environ, terminal=False)
        == 0
    )
    assert (tmp_path / "piped" / "model" / "xgboost-model").read_bytes() == learned
    assert owners(tmp_path / "piped") == {os.getuid()}


def test_pipeline_of_containers_that_bind_ports_of_their_own(tmp_path, free_port):
    assert run(job(tmp_path), "docker", os.environ, terminal=False) == 0
    model = str(tmp_path / "out" / "model")
    command = [sys.executable, "-m", "sagecask.cli", "endpoint", model, model, "--engine", "docker"]
    with subprocess.Popen(
        [*command, "--port", str(free_port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"endpoint http://127.0.0.1:{free_port}, stop with Ctrl-C\n"
        request = urllib.request.Request(
            f"http://127.0.0.1:{free_port}/invocations", b"0.9,0.9", {"Content-Type": "text/csv"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["x-amzn-invoked-production-variant"] == "AllTraffic"
            assert 0 < float(answer.read()) < 1
        client = docker.from_env()
        ports = {
            variable.partition("=")[2]
            for each in client.containers.list(filters={"label": LABEL})
            for variable in each.attrs["Config"]["Env"]
            if variable.startswith("SAGEMAKER_BIND_TO_PORT=")
        }
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len(ports) == 2
    assert "8080" not in ports
