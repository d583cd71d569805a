"""Model folders that cannot be served, and resources that run out while they are."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sagecask.testing.server import launched, serving

from .conftest import PROBE  # isort: skip

xgboost = pytest.importorskip("xgboost", reason="the boosting family is not installed")

XGBOOST = {"SAGECASK_ALGORITHM": "xgboost", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
MEGABYTE = 1024 * 1024


def eventually(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return result


@pytest.fixture(scope="module")
def model() -> bytes:
    features = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    data = xgboost.DMatrix(features, features[:, 0] > features[:, 1])
    return bytes(xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": 0}, data, 10).save_raw("ubj"))


def laid(root: Path, model: bytes) -> Path:
    (root / "model").mkdir()
    (root / "model" / "xgboost-model").write_bytes(model)
    return root


def ended(root: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Exit code and log of a server that is expected to end; /ping must not have answered 200."""
    with launched(root, environ) as server:
        while server.process.poll() is None:
            try:
                assert server.request("GET", "/ping").status != 200
            except OSError:
                time.sleep(0.02)
        return server.wait(), server.log()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_model_ends_the_server_with_1_and_a_line(tmp_path, model, share):
    code, log = ended(laid(tmp_path, model[: int(len(model) * share)]), XGBOOST)
    last = log.splitlines()[-1]
    assert code == 1, log
    assert f"ERROR sagecask.serve.workers: ClientError: {tmp_path}/model/xgboost-model" in last
    assert "; got " in last
    assert "Traceback" not in log


@pytest.mark.slow
def test_flipped_bits_are_refused_or_named_and_never_hang(tmp_path, model):
    source = random.Random(7)
    laid(tmp_path, model)
    for _ in range(4):
        damaged = bytearray(model)
        # the names and sizes at the front; values further back are as good as others
        damaged[source.randrange(1, 400)] ^= 1 << source.randrange(8)
        (tmp_path / "model" / "xgboost-model").write_bytes(damaged)
        with launched(tmp_path, XGBOOST) as server:
            eventually(lambda server=server: server.process.poll() is not None or answers(server))
            if server.process.poll() is None:
                assert server.invoke(b"1,2,3,4\n", "text/csv").status in {200, 500}
                continue
            code, log = server.wait(), server.log()
        # the library itself can fail so that no language above it notices
        assert code in {1, 3} or (code < 0 and "Fatal Python error" in log), log
        assert "xgboost" in log


def answers(server) -> bool:
    try:
        return server.request("GET", "/ping").status == 200
    except OSError:
        return False


def test_native_crash_while_loading_is_in_the_log(probe_root):
    (probe_root / "model" / "probe-model").write_text("crash")
    code, log = ended(probe_root, PROBE)
    assert code == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in log
    assert "loading.py" in log


def test_model_that_may_not_be_read_is_named(tmp_path, model):
    laid(tmp_path, model)
    path = tmp_path / "model" / "xgboost-model"
    path.unlink()
    # a link to nowhere; permissions do not hold root back
    path.symlink_to(tmp_path / "gone")
    code, log = ended(tmp_path, XGBOOST)
    assert code == 1
    assert f"ClientError: {tmp_path}/model: a file xgboost-model; got" in log.splitlines()[-1]


def test_full_disks_do_not_stop_a_running_server(tmp_path, model):
    laid(tmp_path, model)
    # a mount namespace of its own, where /dev/shm and /tmp have a megabyte that is filled before the server starts
    # and again while it runs
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = (
        "mount -t tmpfs -o size=1m full /dev/shm && mount -t tmpfs -o size=1m full /mnt && export TMPDIR=/mnt && "
        "(head -c 2m /dev/zero > /dev/shm/full; head -c 2m /dev/zero > /mnt/full) 2>/dev/null; "
        f'exec "{Path(sys.executable).with_name("sagecask")}" serve'
    )
    environ = os.environ | XGBOOST | {"SAGECASK_ROOT": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": str(port)}
    if subprocess.run(["unshare", "--mount", "--map-root-user", "true"], check=False, capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            eventually(lambda: connects(port))
            assert predicted(port).startswith(b"HTTP/1.1 200 OK")
            # the replaced worker finds the disks full as well
            [worker] = children(process.pid)
            os.kill(worker, signal.SIGKILL)
            eventually(lambda: children(process.pid) not in ([], [worker]) and connects(port))
            assert predicted(port).startswith(b"HTTP/1.1 200 OK")
        finally:
            process.terminate()
            log = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, log


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def predicted(port: int) -> bytes:
    head = b"POST /invocations HTTP/1.1\r\nConnection: close\r\nContent-Type: text/csv\r\nContent-Length: 8"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head + b"\r\n\r\n1,2,3,4\n")
        return connection.recv(65536)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def refused_for_memory(server) -> None:
    try:
        answer = server.invoke(b"1,2,3,4\n" * 780_000, "text/csv")
        assert answer.status == 500
        assert json.loads(answer.body)["request_id"] in server.log()
        assert "MemoryError" in server.log()
    except OSError:
        # where the library below ends the process, the master says so and replaces it
        eventually(lambda: "exited with code" in server.log() or "was sent SIG" in server.log())


@pytest.mark.slow
def test_request_that_memory_does_not_suffice_for_is_refused_and_named_and_others_go_on(tmp_path, model):
    # what malloc has set aside for each thread would count as used, and suffice now and then
    with serving(laid(tmp_path, model), XGBOOST | {"MALLOC_ARENA_MAX": "1"}) as server:
        [worker] = eventually(server.workers)
        assert server.invoke(b"1,2,3,4\n", "text/csv").status == 200
        size = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(worker, resource.RLIMIT_AS, (size + 40 * MEGABYTE, size + 40 * MEGABYTE))
        statuses, stop = [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    statuses.append(server.invoke(b"1,2,3,4\n", "text/csv").status)
                except OSError:
                    statuses.append(0)

        others = threading.Thread(target=ask)
        others.start()
        try:
            refused_for_memory(server)
            eventually(lambda: server.workers() and server.invoke(b"1,2,3,4\n", "text/csv").status == 200)
        finally:
            stop.set()
            others.join()
    assert statuses.count(200) > 0
    assert set(statuses) <= {200, 0}


def test_worker_that_the_kernel_kills_for_memory_is_replaced_and_named(probe_root):
    with serving(probe_root, PROBE) as server:
        [first, second] = eventually(lambda: len(server.workers()) == 2 and sorted(server.workers()))
        # what the kernel sends where a container's memory is over
        os.kill(first, signal.SIGKILL)
        assert server.invoke(b"0,1\n", "text/csv").status == 200
        eventually(lambda: len(set(server.workers()) - {first}) == 2)
        assert second in server.workers()
        [line] = [line for line in server.log().splitlines() if "SIGKILL" in line]
        assert "out of memory" in line
