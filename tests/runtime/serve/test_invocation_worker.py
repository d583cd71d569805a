"""Threads that take turns: what slow and odd clients see, and environments as gunicorn makes them."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi

from sagecask.serve.connection import Connection, settled
from sagecask.serve.response import Environs, WholeResponse
from sagecask.serve.workers import THREADS

from .test_http import exchange, post  # isort: skip

LAST = b"Connection: close\r\n"


@contextmanager
def connected(**limit: int):
    client, server = socket.socketpair()
    with client, server:
        yield Connection(settled(Config()), server, ("10.0.0.1", 5), ("10.0.0.2", 8080), **limit), client


@pytest.fixture
def connection():
    """A connection as the worker has it, and the client's end of it."""
    with connected() as both:
        yield both


@pytest.fixture
def limited():
    """The same with a limit of 100 bytes to a body."""
    with connected(max_body_bytes=100) as both:
        yield both


@pytest.mark.alone
@pytest.mark.parametrize(
    "sent", [b"", b"POST /invocations HT", b"POST /invocations HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"]
)
def test_clients_that_send_nothing_more_hold_up_nobody(probe_server, sent):
    waiting = [socket.create_connection(("127.0.0.1", probe_server.port)) for _ in range(4 * THREADS)]
    for each in waiting:
        each.sendall(sent)
    started = time.monotonic()
    assert probe_server.invoke(b"0,1\n", "text/csv").status == 200
    # the platform's limit for a ping
    assert time.monotonic() - started < 2
    for each in waiting:
        each.close()


def test_request_that_comes_byte_by_byte_is_answered(probe_server):
    whole = post(b"Content-Length: 6") + b"0,1.5\n"
    answer = exchange(probe_server.port, *(whole[i : i + 1] for i in range(len(whole))))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"score": 1.5' in answer


def test_requests_sent_together_are_answered_in_their_order(probe_server):
    kept = post(b"Content-Length: 4").replace(LAST, b"")
    answer = exchange(probe_server.port, kept + b"0,1\n" + kept + b"0,2\n" + post(b"Content-Length: 4") + b"0,3\n")
    scores = [part.partition(b'"score": ')[2][:3] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert scores == [b"1.0", b"2.0", b"3.0"]


@pytest.mark.alone
def test_slow_requests_do_not_hold_up_quick_ones(probe_server):
    slow = [socket.create_connection(("127.0.0.1", probe_server.port), timeout=30) for _ in range(8)]
    for each in slow:
        each.sendall(post(b"Content-Length: 2") + b"3\n")
    started = time.monotonic()
    for _ in range(20):
        assert probe_server.invoke(b"0,1\n", "text/csv").status == 200
    assert time.monotonic() - started < 2.5
    for each in slow:
        with each:
            assert each.recv(12) == b"HTTP/1.1 200"


def test_client_that_expects_to_be_asked_for_the_body_is(probe_server):
    with socket.create_connection(("127.0.0.1", probe_server.port), timeout=30) as connection:
        connection.sendall(post(b"Content-Length: 4", b"Expect: 100-continue"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"0,1\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_connection_of_http_1_0_is_closed(probe_server):
    answer = exchange(probe_server.port, b"GET /ping HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 OK")
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_body_is_collected_to_its_end(connection, framing):
    conn, client = connection
    client.sendall(b"POST / HTTP/1.1\r\n%s\r\n\r\n" % framing + b"F4240\r\n" * (b"chunked" in framing))
    assert conn.receive()
    for _ in range(20):
        assert not conn.parser.ready()
        client.sendall(bytes(50_000))
        assert conn.receive()
    if b"chunked" in framing:
        client.sendall(b"\r\n0\r\n\r\n")
        assert conn.receive()
    assert conn.parser.ready()
    assert next(conn.parser).body.read() == bytes(1_000_000)
    assert conn.parser.finish_body()
    assert not conn.pending


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 101\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + bytes(101)]
)
def test_body_over_the_limit_is_answered_before_its_end(limited, sent):
    conn, client = limited
    client.sendall(b"POST / HTTP/1.1\r\n" + sent)
    assert conn.receive()
    assert conn.parser.ready()
    next(conn.parser)
    # nothing else can follow on the connection
    assert not conn.parser.finish_body()


def test_body_up_to_the_limit_is_collected(limited):
    conn, client = limited
    client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + bytes(99))
    assert conn.receive()
    assert not conn.parser.ready()


def test_head_without_end_is_not_collected_for_ever(connection):
    conn, client = connection
    client.sendall(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20)
    assert conn.receive()
    assert not conn.parser.ready()
    while not conn.parser.ready():
        client.sendall(b"a: b\r\n" * 2000)
        assert conn.receive()


REQUESTS = [
    b"GET /ping HTTP/1.0\r\n\r\n",
    b"GET /a%20b%E2%82%AC?x=1&y HTTP/1.1\r\nHost: example:80\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 2\r\n\r\n1\n",
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nAccept: a\r\nX-Twice: 1\r\nX-Twice: 2\r\nAccept: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nX_Under: 1\r\nX-Under: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nSCRIPT_NAME: /a\r\nPATH_INFO: /b\r\nRemote-Addr: 1.2.3.4\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n",
    b"GET http://other/path HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Empty:\r\nX-Latin: \xe9\r\nContent-Type: a\r\n\r\n",
]


@pytest.mark.parametrize("raw", REQUESTS)
def test_environment_is_the_one_that_gunicorn_makes(connection, raw):
    conn, client = connection
    client.sendall(raw)
    conn.receive()
    assert conn.parser.ready()
    request = next(conn.parser)
    made = Environs(Config()).of(request, conn)
    expected = wsgi.create(request, conn.sock, conn.client, conn.server, Config())[1] | {"wsgi.multithread": True}
    ignored = {"wsgi.early_hints", "wsgi.errors"}
    assert {name: made[name] for name in made if name not in ignored} == {
        name: expected[name] for name in expected if name not in ignored
    }


@pytest.mark.parametrize("prefix", ["", "/prefix"])
def test_prefix_of_all_paths_is_taken_off(connection, monkeypatch, prefix):
    monkeypatch.setenv("SCRIPT_NAME", prefix)
    conn, client = connection
    client.sendall(b"GET " + prefix.encode() + b"/ping HTTP/1.1\r\n\r\n")
    conn.receive()
    environ = Environs(Config()).of(next(conn.parser), conn)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (prefix, "/ping")


@pytest.mark.parametrize(
    ("headers", "pieces", "expected"),
    [
        ([("Content-Length", "3")], [b"a", b"bc"], b"Content-Length: 3\r\n\r\nabc"),
        ([("Content-Length", "0")], [], b"Content-Length: 0\r\n\r\n"),
        ([], [b"ab", b"", b"c"], b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ([], [], b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
def test_answer_is_framed(connection, headers, pieces, expected):
    conn, client = connection
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    conn.receive()
    response = WholeResponse(next(conn.parser), conn.sock, settled(Config()))
    response.start_response("200 OK", headers)
    for piece in pieces:
        response.write(piece)
    response.close()
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: ")
    assert answer.endswith(expected)
