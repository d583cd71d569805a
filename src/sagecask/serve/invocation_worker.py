"""A worker process: threads that answer requests, a watch on how long each takes, refusals in JSON."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
import uuid
from typing import TYPE_CHECKING

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from gunicorn.http.message import Request
    from gunicorn.workers.gthread import TConn

_log = logging.getLogger(__name__)

# signals that the master passes on to its workers
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# between closing the connection of a late request and ending the process that is stuck with it
STUCK_SECONDS = 2.0
# what the HTTP parser refuses before the application sees it; anything else of its errors is 400
PARSER_STATUSES = {
    errors.LimitRequestLine: (414, "URI Too Long"),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    errors.ExpectationFailed: (417, "Expectation Failed"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented"),
}


def hold_signals_while_forking() -> None:
    """Keep stop signals waiting from fork until the worker has its handlers; else one that comes between is lost."""
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS),
        after_in_parent=_release_signals,
    )


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


class InvocationWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn thread worker that ends requests which outlast `timeout_seconds`, of the server's application."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._limit: float = self.app.timeout_seconds
        self._started: dict[TConn, float] = {}
        self._late: set[TConn] = set()

    def init_signals(self) -> None:
        super().init_signals()
        _release_signals()

    def handle(self, conn: TConn) -> object:
        """Answer one request, in a thread of its own; its time runs from here to the last byte of the answer."""
        self._started[conn] = time.monotonic()
        try:
            outcome = super().handle(conn)
        finally:
            self._late.discard(conn)
            del self._started[conn]
        if outcome is False:
            self._close(conn)
        return outcome

    def notify(self) -> None:
        """Tell the master that this process lives, about once a second, and look at the requests under way."""
        super().notify()
        now = time.monotonic()
        for conn, started in list(self._started.items()):
            if now - started > self._limit + STUCK_SECONDS:
                _log.critical("a request still runs after %.0f s; the worker ends and is replaced", now - started)
                os._exit(1)
            if now - started > self._limit and conn not in self._late:
                self._late.add(conn)
                _log.error("a request took more than %.0f s; its connection is closed", self._limit)
                _shut(conn)

    def handle_error(
        self, req: Request | None, client: socket.socket, addr: tuple[str, int], exc: BaseException
    ) -> None:
        """Answer what never reached the application, as the application would."""
        if isinstance(exc, errors.ParseException):
            status, reason = PARSER_STATUSES.get(type(exc), (400, "Bad Request"))
            identifier, message = str(uuid.uuid4()), f"request: HTTP/1.1; got {exc}"
            _log.warning("request %s: status %d: %r", identifier, status, message, extra={"request_id": identifier})
            _refuse(client, f"{status} {reason}", {"error": message, "request_id": identifier})
        else:
            super().handle_error(req, client, addr, exc)

    def _close(self, conn: TConn) -> None:
        # gunicorn lingers on a closing connection in the thread that accepts: one client could hold up all others
        util.close_graceful(conn.sock)
        conn.close = lambda graceful=False: None  # noqa: ARG005 - the signature is gunicorn's


def _shut(conn: TConn) -> None:
    """Wake a thread that waits for the client; one that computes goes on."""
    try:
        conn.sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("connection was closed already: %s", error)


def _refuse(client: socket.socket, status: str, answer: dict[str, str]) -> None:
    body = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    try:
        util.write_nonblock(client, head.encode() + b"\r\n" + body)
    except OSError as error:
        _log.debug("the client left before it was answered: %s", error)
