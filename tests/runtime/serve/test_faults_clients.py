"""Clients that are slow, silent, many or cut off, and what the others notice of them."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sagecask.testing.server import serving

from .conftest import PROBE  # isort: skip

POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
# more than two workers have threads
MANY = 40
# a ping takes milliseconds on a machine with nothing else to do, and seconds on a busy one
LIMIT_SECONDS = 4
HELD_UP_SECONDS = 15
FILES = 20_000


def eventually(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return result


@contextmanager
def clients(port: int, count: int, sent: bytes):
    """Open connections that send so much and no more."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(count)]
        for each in opened:
            each.sendall(sent)
        yield opened


def slowest_ping(server, count: int = 20) -> float:
    seconds = []
    for _ in range(count):
        began = time.monotonic()
        assert server.request("GET", "/ping").status == 200
        seconds.append(time.monotonic() - began)
    return max(seconds)


def ends(connection: socket.socket) -> bool:
    """Read until the server closes; False where it does not within the time-out."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("probe")
    (root / "model").mkdir()
    (root / "model" / "probe-model").write_text("probe")
    with serving(root, PROBE | {"SAGEMAKER_MODEL_SERVER_TIMEOUT": str(LIMIT_SECONDS)}) as server:
        yield server


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /invocations HT",
        POST + b"Content-Length: 10\r\n\r\n1",
        POST + b"Content-Length: 1000000\r\n\r\n" + b"1\n" * 150_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n1",
        POST + b"Transfer-Encoding: chunked\r\n\r\n186A0\r\n" + b"1\n" * 40_000,
        POST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        POST + b"Content-Length: 6291457\r\n\r\n" + b"1\n" * 40_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /ping HTTP/9.9\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nA: " + b"x" * 70_000,
    ],
    ids=[
        *("head", "body", "long body", "chunks", "long chunks", "continue"),
        *("refused body", "refused chunks", "refused line", "refused head"),
    ],
)
def test_clients_that_stop_half_way_hold_up_nobody_and_are_closed_in_time(server, sent):
    with clients(server.port, MANY, sent) as waiting:
        # none has waited until the clients were closed
        assert slowest_ping(server) < LIMIT_SECONDS
        assert all(ends(each) for each in waiting)
    assert server.invoke(b"0,1\n", "text/csv").status == 200
    # threads that had waited for clients would have been taken from them
    assert "cut off" not in server.log()


def test_clients_that_drip_hold_up_nobody_and_are_closed_in_time(server):
    began, closed = time.monotonic(), []
    with clients(server.port, MANY, b"GET /ping HTTP/1.1\r\n") as waiting:
        while len(closed) < MANY:
            # they would be closed after 65 s of silence as well
            assert time.monotonic() - began < 30
            for each in [each for each in waiting if each not in closed]:
                try:
                    each.sendall(b"A")
                except OSError:
                    closed.append(each)
            assert slowest_ping(server, 1) < LIMIT_SECONDS
            time.sleep(0.05)
    assert "cut off" not in server.log()


@pytest.mark.slow
def test_clients_that_never_read_hold_up_nobody_and_are_closed_in_time(probe_root):
    limit = 2 * HELD_UP_SECONDS
    environ = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": str(limit), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    # an answer of 5 MB, which no socket's buffers hold
    body = b"0,1\n" * 150_000
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serving(probe_root, PROBE | environ) as server, ExitStack() as stack:
        # more than a worker has threads
        for _ in range(18):
            silent = stack.enter_context(socket.socket())
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.connect(("127.0.0.1", server.port))
            silent.sendall(request)
        # predictions of 150,000 rows are under way besides
        assert slowest_ping(server) < HELD_UP_SECONDS
        eventually(lambda: established(server.port) == 0, 2 * limit)
        assert server.invoke(b"0,1\n", "text/csv").status == 200


def established(port: int) -> int:
    """Connections that the server's side of a port still holds."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_kill_9_of_workers_under_load_fails_no_more_than_was_in_flight(probe_root):
    with serving(probe_root, PROBE) as server:
        failures, stop, answered = [], threading.Event(), []

        def ask() -> None:
            while not stop.is_set():
                try:
                    answered.append(server.invoke(b"0.01,1\n", "text/csv").status)
                except OSError as error:
                    failures.append(repr(error))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        killed = 0
        for _ in range(5):
            eventually(lambda: len(server.workers()) == 2)
            before = len(answered)
            eventually(lambda before=before: len(answered) > before + 50)
            os.kill(server.workers()[0], signal.SIGKILL)
            killed += 1
        before = len(answered)
        eventually(lambda: len(server.workers()) == 2 and len(answered) > before + 50)
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answered) == {200}
    # each of eight clients has one request under way
    assert len(failures) <= 8 * killed
    assert server.log().count("was sent SIGKILL") == killed


@contextmanager
def files_allowed(count: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    yield allowed
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle_clients(stack: ExitStack, port: int, count: int) -> list[socket.socket]:
    """Open connections that have each been answered one ping."""
    opened = []
    for _ in range(count):
        each = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        each.sendall(PING)
        opened.append(each)
    for each in opened:
        assert each.recv(4096).startswith(b"HTTP/1.1 200 OK")
    return opened


def megabytes(server) -> float:
    """Memory of the workers, what they share counted in parts."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in server.workers()]
    return sum(int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) for text in rollups) / 1024


def test_ten_thousand_idle_connections_are_kept_and_others_answered(probe_root):
    with files_allowed(FILES) as allowed, serving(probe_root, PROBE) as server, ExitStack() as stack:
        # where fewer files are allowed, as many as they are enough for
        count = min(10_000, allowed - 500)
        eventually(lambda: len(server.workers()) == 2)
        before = megabytes(server)
        opened = idle_clients(stack, server.port, count)
        assert slowest_ping(server) < HELD_UP_SECONDS
        # 4 KB each
        assert megabytes(server) - before < 4 * count / 1000 + 10
        for each in opened[:: count // 100]:
            each.sendall(PING)
            assert each.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert "are closed" not in server.log()


def test_half_sent_requests_fill_no_more_than_their_room(probe_root):
    sent = POST + b"Content-Length: 260000\r\n\r\n" + b"1\n" * 120_000
    with (
        files_allowed(FILES),
        serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as server,
        ExitStack() as stack,
    ):
        before = eventually(lambda: megabytes(server))
        # 300 MB
        for _ in range(1250):
            each = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            each.sendall(sent)
        eventually(lambda: megabytes(server) - before > 150)
        # a long one has room once those that send nothing are closed
        assert server.invoke(b"0,1\n" * 100_000, "text/csv").status == 200
        assert "half-sent requests fill the room for them" in server.log()
        assert slowest_ping(server, 5) < HELD_UP_SECONDS
        assert megabytes(server) - before < 400


def test_long_requests_beyond_the_room_wait_and_are_all_answered(probe_root):
    # 360 MB, refused by their type when they are whole
    body = bytes(6_000_000)
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as server:
        before, statuses = eventually(lambda: megabytes(server)), []

        def ask() -> None:
            statuses.append(server.invoke(body, "image/png").status)

        threads = [threading.Thread(target=ask) for _ in range(60)]
        for thread in threads:
            thread.start()
        most = 0.0
        while any(thread.is_alive() for thread in threads):
            most = max(most, megabytes(server) - before)
            assert slowest_ping(server, 1) < HELD_UP_SECONDS
        assert statuses == [415] * 60
        assert most < 300


def test_beyond_the_file_limit_the_quietest_connections_make_room(probe_root):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as server, ExitStack() as stack:
        [worker] = eventually(server.workers)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (300, 300))
        opened = idle_clients(stack, server.port, 330)
        assert slowest_ping(server, 5) < HELD_UP_SECONDS
        # the newest is kept, the oldest was closed
        opened[-1].sendall(PING)
        assert opened[-1].recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert opened[0].recv(4096) == b""
        assert server.workers() == [worker]
        assert "connections are open, as many as can be" in server.log()
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
