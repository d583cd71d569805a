"""Requests that break the rules of HTTP, or keep them and ask for too much: refused in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagecask.testing.server import serving

from .conftest import PROBE  # isort: skip

POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MAX_BODY = 6 * 1024 * 1024
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LIMIT_SECONDS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("probe")
    (root / "model").mkdir()
    (root / "model" / "probe-model").write_text("probe")
    environ = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_MODEL_SERVER_TIMEOUT": str(LIMIT_SECONDS)}
    with serving(root, PROBE | environ) as server:
        yield server


def exchange(port: int, sent: bytes, *, close: bool = False) -> bytes:
    """Send bytes and return what comes back until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            if close:
                connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                answer += block
        except (BrokenPipeError, ConnectionResetError):
            # the server was through with this client
            pass
    return answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: 4, 4\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: +4\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: 0x4\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: 4\x00\r\n\r\n0,1\n", 400),
        (POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: gzip\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 501),
        (POST + b" folded: x\r\n\r\n", 400),
        (POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + b"\r\n-1\r\n0", 400),
        (POST + CHUNKED + b"\r\n4\n0,1\n\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + b"\r\n" + b"4" * 10_000, 400),
        (b"GET /ping HTTP/1.1\r\nX: \x00\r\n\r\n", 400),
        (b"GET /ping HTTP/9.9\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01" + bytes(300) + b"\r\n\r\n", 400),
        (b"GET /ping HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /ping HTTP/1.1\r\nA: " + b"x" * 70_000, 431),
        (b"GET /ping HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
        (b"GET /" + b"x" * 70_000, 414),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else None,
)
def test_wrong_framing_is_refused_in_json_at_once(server, sent, status):
    began = time.monotonic()
    answer = exchange(server.port, sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    # what follows a refusal is not taken for a request
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1
    refusal = json.loads(body)
    assert set(refusal) == {"error", "request_id"}
    assert refusal["request_id"] in server.log()
    # it was not the time of a request that ended it
    assert time.monotonic() - began < LIMIT_SECONDS


def test_pipelined_requests_are_answered_in_their_order(server):
    sent = b"".join(POST + b"Content-Length: 4\r\n\r\n0,%d\n" % number for number in range(10))
    chunked = POST + CHUNKED + b"\r\n4;a=b\r\n0,10\r\n0\r\nX-Trailer: x\r\n\r\n"
    answer = exchange(server.port, PING + sent + chunked + LAST)
    assert answer.count(b"HTTP/1.1 200 OK") == 13
    assert re.findall(rb'"score": (\d+)\.0', answer) == [b"%d" % number for number in range(11)]


def test_body_with_a_content_encoding_is_refused_and_not_unpacked(server):
    bomb = gzip.compress(bytes(100_000_000))
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    answer = server.request("POST", "/invocations", bomb, headers)
    refusal = json.loads(answer.body)
    assert refusal.pop("request_id")
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
    assert refusal == {"error": 'content encoding: identity; got "gzip"', "accepted": ["identity"]}
    plain = {"Content-Type": "text/csv", "Content-Encoding": "identity"}
    assert server.request("POST", "/invocations", b"0,1\n", plain).status == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"[" * MAX_BODY, "application/json", 400),
        (b'{"a":' * (MAX_BODY // 5), "application/json", 400),
        (b'{"instances": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "application/json", 400),
        (b'{"instances": [{"features": [0, ' + b"1" * 1_000_000 + b"]}]}", "application/json", 400),
        (b"0" + b",1" * (MAX_BODY // 2 - 1), "text/csv", 200),
        (b"0," + b"1" * 1_000_000, "text/csv", 200),
        (b"0,0." + b"3" * (MAX_BODY - 4), "text/csv", 200),
        (b"\n" * MAX_BODY, "text/csv", 400),
        (b'"' * MAX_BODY, "text/csv", 400),
        (bytes(MAX_BODY), "text/csv", 400),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_body_of_any_shape_is_answered_in_bounded_time_and_memory(server, body, content_type, status):
    [worker] = server.workers()
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    began = time.monotonic()
    answer = server.invoke(body, content_type)
    assert answer.status in {status, 400}
    assert time.monotonic() - began < 10
    assert server.workers() == [worker]
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
    assert int(peak[1]) / 1024 < 1000


PIECES = st.sampled_from(
    [
        *(b"GET", b"POST", b"/ping", b"/invocations", b" ", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"\x00"),
        *(b"Host: x", b"Content-Length: 4", b"Content-Length: 0", b"Content-Type: text/csv", b"Connection: keep-alive"),
        *(
            b"Transfer-Encoding: chunked",
            b"Expect: 100-continue",
            b"4\r\n0,1\n\r\n",
            b"0\r\n\r\n",
            b"0,1\n",
            b"\r\n\r\n",
        ),
        *(POST, PING, POST + b"Content-Length: 4\r\n\r\n0,1\n", POST + CHUNKED + b"\r\n4\r\n0,1\n\r\n0\r\n\r\n"),
    ]
)
MUTATED = st.tuples(
    st.lists(st.one_of(PIECES, st.binary(max_size=8)), min_size=1, max_size=12).map(b"".join), st.integers(0, 400)
).map(lambda parts: parts[0][: parts[1]])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=MUTATED)
def test_no_bytes_on_a_socket_end_in_500_and_every_refusal_is_logged(server, sent):
    answer = exchange(server.port, sent, close=True)
    statuses = {int(status) for status in re.findall(rb"HTTP/1\.\d (\d{3}) ", answer)}
    assert statuses <= {100, 200, 204, 400, 404, 405, 414, 415, 417, 431, 501}
    for identifier in re.findall(rb'"request_id": "([^"]+)"', answer):
        assert identifier.decode() in server.log()
    assert server.process.poll() is None


def test_after_all_that_the_worker_is_the_first_one(server):
    assert server.invoke(b"0,1\n", "text/csv").status == 200
    assert "exited" not in server.log()
    assert "Traceback" not in server.log()
