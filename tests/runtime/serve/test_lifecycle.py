"""Start, end and accidents of a server process."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from sagecask import registry
from sagecask.local.ports import free_port
from sagecask.testing.server import Server, launched, serving

from .conftest import PROBE  # isort: skip

INSTALLED = ", ".join(sorted({*registry.names(), "probe"}))
# the container gets SIGKILL that long after SIGTERM
DOCKER_STOP_SECONDS = 10


def eventually(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return result


def invoke_in_background(server: Server, body: bytes) -> tuple[threading.Thread, list]:
    answers: list = []

    def invoke():
        try:
            answers.append(server.invoke(body, "text/csv").status)
        except OSError as error:
            answers.append(type(error).__name__)

    thread = threading.Thread(target=invoke)
    thread.start()
    return thread, answers


def under_way(server: Server) -> bool:
    """Whether a worker has a connection that a client opened."""
    port = f"{server.port:04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port}") and row[3] == "01" and row[9] != "0" for row in rows)


def refused(root: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Exit code and last log line, without its time, of a server that does not start."""
    with launched(root, environ) as server:
        code = server.wait()
    return code, server.log().splitlines()[-1].partition("sagecask.serve.workers: ")[2]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_workers_as_many_as_asked_for(probe_root, workers):
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_WORKERS": workers}) as server:
        assert eventually(lambda: len(server.workers()) == int(workers))


def test_sigterm_ends_an_idle_server_with_0(probe_root):
    with serving(probe_root, PROBE) as server:
        started = time.monotonic()
        assert server.stop(DOCKER_STOP_SECONDS) == 0
    assert time.monotonic() - started < DOCKER_STOP_SECONDS / 2


def test_sigterm_lets_a_request_end(probe_root):
    with serving(probe_root, PROBE) as server:
        thread, answers = invoke_in_background(server, b"1.5\n")
        eventually(lambda: under_way(server))
        assert server.stop(DOCKER_STOP_SECONDS) == 0
        thread.join()
    assert answers == [200]


def test_sigterm_cuts_a_request_that_takes_too_long(probe_root):
    with serving(probe_root, PROBE) as server:
        thread, answers = invoke_in_background(server, b"40\n")
        eventually(lambda: under_way(server))
        assert server.stop(DOCKER_STOP_SECONDS) == 0
        thread.join()
    assert answers == ["RemoteDisconnected"]


def test_sigterm_while_the_model_loads_ends_with_0(probe_root):
    (probe_root / "model" / "probe-model").write_text("slow")
    with launched(probe_root, PROBE) as server:
        # the port is bound just before the model is loaded
        eventually(lambda: not is_free(server.port))
        assert server.stop(DOCKER_STOP_SECONDS) == 0


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("line", ["Starting gunicorn", "Listening at", "Booting worker"])
def test_sigterm_while_workers_are_forked_ends_quickly(probe_root, line):
    with launched(probe_root, PROBE) as server:
        eventually(lambda: line in server.log())
        started = time.monotonic()
        assert server.stop(DOCKER_STOP_SECONDS) == 0
        assert time.monotonic() - started < DOCKER_STOP_SECONDS / 2


def test_killed_worker_is_replaced(probe_root):
    with serving(probe_root, PROBE) as server:
        before = set(eventually(lambda: len(server.workers()) == 2 and server.workers()))
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        after = eventually(lambda: len(set(server.workers()) - before) == 2 and server.workers())
        assert not before & set(after)
        assert server.invoke(b"0,1\n", "text/csv").status == 200
        assert not [pid for pid in server.workers() if state(pid) == "Z"]


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_request_over_its_time_is_cut_and_its_worker_replaced(probe_root):
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}) as server:
        thread, answers = invoke_in_background(server, b"60\n")
        thread.join()
        assert answers == ["RemoteDisconnected"]
        eventually(lambda: "exited with code 1" in server.log())
        assert server.invoke(b"0,1\n", "text/csv").status == 200
    assert "a request took more than 1 s; its connection is closed" in server.log()


def test_body_that_does_not_arrive_in_time_costs_no_worker(probe_root):
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}) as server:
        workers = eventually(lambda: len(server.workers()) == 2 and server.workers())
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\n1")
            assert connection.recv(1000) == b""
        assert server.invoke(b"0,1\n", "text/csv").status == 200
        assert server.workers() == workers


def test_port_in_use_is_named(probe_root):
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        with launched(probe_root, PROBE, port) as server:
            assert server.wait() == 3
    assert f"InternalServerError: port {port}: free for this server; got Address already in use" in server.log()


def test_missing_model_folder_is_named(tmp_path):
    assert refused(tmp_path, PROBE) == (1, f"ClientError: {tmp_path}/model: a folder with a model; got none")


def test_missing_model_file_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    assert refused(tmp_path, PROBE) == (1, f"ClientError: {tmp_path}/model/probe-model: a model; got none")


def test_model_of_another_algorithm_is_refused(probe_root):
    (probe_root / "model" / "sagecask.json").write_text('{"algorithm": "kmeans"}')
    assert refused(probe_root, PROBE) == (1, f"ClientError: {probe_root}/model: a model of probe; got one of kmeans")


def test_algorithm_is_taken_from_the_manifest(probe_root):
    (probe_root / "model" / "sagecask.json").write_text('{"algorithm": "probe"}')
    with serving(probe_root, {"PYTHONPATH": PROBE["PYTHONPATH"]}) as server:
        assert server.invoke(b"0,1\n", "text/csv").status == 200


def test_library_that_fails_to_load_the_model_is_our_fault(probe_root):
    (probe_root / "model" / "probe-model").write_text("broken")
    code, last = refused(probe_root, PROBE)
    assert (code, last) == (3, "")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"SAGECASK_ALGORITHM": "nonsense"},
            f'ClientError: algorithm: one that is installed ({INSTALLED}); got "nonsense"',
        ),
        (
            {"SAGEMAKER_MODEL_SERVER_WORKERS": "many"},
            "ClientError: environment: variable SAGEMAKER_MODEL_SERVER_WORKERS must be an integer of at least 1; "
            'got "many"',
        ),
        (
            {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "image/png"},
            "ClientError: environment: variable SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT must be one of "
            'application/json, text/csv, application/jsonlines; got "image/png"',
        ),
    ],
)
def test_wrong_environment_is_a_usage_error(probe_root, environ, message):
    assert refused(probe_root, PROBE | environ) == (2, message)


def test_server_needs_no_writable_root(probe_root):
    (probe_root / "model" / "probe-model").chmod(0o444)
    (probe_root / "model").chmod(0o555)
    with serving(probe_root, PROBE) as server:
        assert server.invoke(b"0,1\n", "text/csv").status == 200
    assert sorted(path.name for path in probe_root.rglob("*")) == ["model", "probe-model"]


def test_free_port_can_be_bound():
    assert is_free(free_port())
