"""A running server, spoken to in bytes: what reaches the application, what does not, and what the log says."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest

from sagecask.testing.server import serving

from .conftest import PROBE  # isort: skip


def exchange(port: int, *pieces: bytes, close: bool = False) -> bytes:
    """Send bytes as they stand and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while block := connection.recv(65536):
            answer += block
        return answer


def refusal(answer: bytes) -> tuple[bytes, dict]:
    """Status line and JSON body without its request_id."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/json" in head.lower()
    fields = json.loads(body)
    assert fields.pop("request_id")
    return head.splitlines()[0], fields


def post(*headers: bytes) -> bytes:
    lines = [b"POST /invocations HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Type: text/csv", *headers]
    return b"\r\n".join([*lines, b"", b""])


def eventually(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return result


def test_body_in_chunks_is_answered(probe_server):
    answer = exchange(
        probe_server.port, post(b"Transfer-Encoding: chunked"), b"3\r\n0,1\r\n", b"3\r\n.5\n\r\n0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"score": 1.5' in answer


def test_body_in_chunks_is_limited(probe_server):
    chunk = b"2710\r\n" + b"0\n" * 5000 + b"\r\n"
    answer = exchange(probe_server.port, post(b"Transfer-Encoding: chunked"), chunk * 20)
    assert refusal(answer) == (
        b"HTTP/1.1 413 REQUEST ENTITY TOO LARGE",
        {"error": "request body: at most 100000 bytes; got more, in chunks"},
    )


def test_body_with_a_length_is_limited_before_it_is_sent(probe_server):
    answer = exchange(probe_server.port, post(b"Content-Length: 100001"), close=True)
    assert refusal(answer) == (
        b"HTTP/1.1 413 REQUEST ENTITY TOO LARGE",
        {"error": "request body: at most 100000 bytes; got 100001"},
    )


def test_client_that_sends_too_much_can_read_the_answer(probe_server):
    answer = probe_server.invoke(b"0\n" * 1_000_000, "text/csv")
    assert answer.status == 413
    assert json.loads(answer.body)["error"] == "request body: at most 100000 bytes; got 2000000"


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        (b"zz\r\n", "request body: chunks of HTTP/1.1; got Invalid chunk size: b'zz'"),
        (b"5\r\n0,1", "request body: sent to its end; got No more data after: None"),
    ],
)
def test_malformed_chunks_are_400(probe_server, chunks, message):
    answer = exchange(probe_server.port, post(b"Transfer-Encoding: chunked"), chunks, close=True)
    assert refusal(answer) == (b"HTTP/1.1 400 BAD REQUEST", {"error": message})


def test_half_sent_body_is_400_and_the_server_goes_on(probe_server):
    answer = exchange(probe_server.port, post(b"Content-Length: 10"), b"0,1", close=True)
    assert refusal(answer) == (
        b"HTTP/1.1 400 BAD REQUEST",
        {"error": "request body: 10 bytes, as Content-Length says; got 3"},
    )
    assert probe_server.invoke(b"0,1\n", "text/csv").status == 200


def test_clients_that_leave_in_the_middle_do_no_harm(probe_server):
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", probe_server.port)) as connection:
            connection.sendall(post(b"Content-Length: 10") + b"0,1")
    assert probe_server.request("GET", "/ping").status == 200
    assert probe_server.invoke(b"0,1\n", "text/csv").status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"GET /" + b"x" * 10000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 414 URI Too Long"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 10000 + b"\r\n\r\n", b"HTTP/1.1 431 Request Header Fields Too Large"),
        (b"POST /invocations HTTP/1.1\r\nContent-Length: ten\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: foo, chunked\r\n\r\n", b"HTTP/1.1 501 Not Implemented"),
    ],
)
def test_malformed_http_is_refused_in_json(probe_server, sent, status):
    line, answer = refusal(exchange(probe_server.port, sent, close=True))
    assert line == status
    assert set(answer) == {"error"}


def test_connection_is_kept_for_the_next_request(probe_server):
    request = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(probe_server.port, request, request, last).count(b"HTTP/1.1 200 OK") == 3


def test_connection_is_kept_after_a_refusal(probe_server):
    refused = post(b"Content-Length: 3").replace(b"Connection: close\r\n", b"").replace(b"text/csv", b"image/png")
    last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = exchange(probe_server.port, refused, b"abc", last)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"HTTP/1.1 200 OK" in answer


@pytest.mark.alone
def test_ping_is_answered_while_invocations_are_under_way(probe_server):
    waiting = [socket.create_connection(("127.0.0.1", probe_server.port), timeout=30) for _ in range(6)]
    for connection in waiting:
        connection.sendall(post(b"Content-Length: 2") + b"2\n")
    started = time.monotonic()
    assert probe_server.request("GET", "/ping").status == 200
    # the platform's own limit
    assert time.monotonic() - started < 2
    for connection in waiting:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_crash_of_the_worker_is_survived(probe_server):
    answer = exchange(probe_server.port, post(b"Content-Length: 3"), b"-4\n")
    assert answer == b""
    assert eventually(lambda: probe_server.invoke(b"0,1\n", "text/csv").status == 200)
    assert (
        "exited with code 7"
        in eventually(lambda: [line for line in probe_server.log().splitlines() if "exited with code" in line])[0]
    )


def test_every_request_but_ping_has_one_line_in_the_log(probe_server):
    probe_server.request("GET", "/ping")
    headers = {"Content-Type": "text/csv", "X-Request-Id": "one-line"}
    answer = probe_server.request("POST", "/invocations?secret=1", b"0,1\n", headers)
    [line] = eventually(lambda: [line for line in probe_server.log().splitlines() if "one-line" in line])
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    entry = rf"POST /invocations 200, {len(answer.body)} bytes, \d+\.\d ms, request one-line"
    assert re.fullmatch(rf"{stamp} INFO sagecask\.serve\.access: {entry}", line)
    assert "/ping" not in probe_server.log()


def test_log_as_json_lines(probe_root):
    with serving(probe_root, PROBE | {"SAGECASK_LOG_FORMAT": "json"}) as server:
        headers = {"Content-Type": "text/csv", "X-Request-Id": "j-1"}
        server.request("POST", "/invocations", b"-1\n", headers)
        server.stop()
    entries = [json.loads(line) for line in server.log().splitlines()]
    failed, answered = [entry for entry in entries if entry.get("request_id") == "j-1"]
    assert failed["exc"].endswith("ValueError: a secret that only the log may tell")
    assert answered.pop("milliseconds") >= 0
    assert answered.pop("ts")
    answered.pop("bytes")
    assert answered == {
        "level": "info",
        "logger": "sagecask.serve.access",
        "msg": answered["msg"],
        "method": "POST",
        "path": "/invocations",
        "status": 500,
        "request_id": "j-1",
    }


def test_log_level_silences_what_is_below_it(probe_root):
    with serving(probe_root, PROBE | {"SAGEMAKER_CONTAINER_LOG_LEVEL": "40"}) as server:
        assert server.invoke(b"0,1\n", "text/csv").status == 200
        assert server.invoke(b"0,1\n", "image/png").status == 415
        server.stop()
    assert server.log() == ""
