import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.request

import pytest

from sagecask.errors import ModelDataError, UserError
from sagecask.local.endpoint import EndpointDescription, serving


def ask(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(f"{url}/invocations", body, {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


@pytest.mark.parametrize("form", ["model", "model.tar.gz"])
def test_folder_and_archive_answer_alike(trained, environ, form):
    with serving(EndpointDescription(trained / form), "process", environ, print, threading.Event()) as endpoint:
        answer = ask(endpoint.url, b"0.9,0.9\n-0.9,-0.9\n")
    first, second = map(float, answer.split())
    assert first > 0.5 > second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_says_its_address_and_stops_cleanly(trained, free_port, number):
    command = [sys.executable, "-m", "sagecask.cli", "endpoint", str(trained / "model"), "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = f"http://127.0.0.1:{free_port}"
        assert process.stderr.readline() == f"endpoint {url}, stop with Ctrl-C\n"
        assert process.stderr.readline() == (
            f"curl --data-binary @rows.csv -H 'Content-Type: text/csv' {url}/invocations\n"
        )
        assert float(ask(url, b"0.9,0.9")) > 0.5
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_model_that_does_not_load_ends_with_the_servers_words(tmp_path, environ):
    (tmp_path / "xgboost-model").write_text("nonsense")
    with (
        pytest.raises(
            UserError,
            match=r"^endpoint: the server must answer /ping; got its end, after: .*xgboost-model.*\(exit code 1\)$",
        ),
        serving(EndpointDescription(tmp_path, algorithm="xgboost"), "process", environ, print, threading.Event()),
    ):
        pass


def test_empty_model_folder_is_refused(tmp_path, environ):
    with (
        pytest.raises(ModelDataError) as caught,
        serving(EndpointDescription(tmp_path), "process", environ, print, threading.Event()),
    ):
        pass
    assert str(caught.value) == f'endpoint: the model folder must hold a model; got "{tmp_path}", which is empty'


def test_archive_that_leaves_its_folder_is_refused(tmp_path, environ, trained):
    shutil.copytree(trained / "model", tmp_path / "model")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "model" / "xgboost-model", arcname="../xgboost-model")
    with (
        pytest.raises(ModelDataError, match=r"model\.tar\.gz"),
        serving(EndpointDescription(tmp_path / "model.tar.gz"), "process", environ, print, threading.Event()),
    ):
        pass
