"""A worker process: threads that answer requests, a watch on how long each takes, refusals in JSON."""

from __future__ import annotations

import errno
import json
import logging
import os
import selectors
import signal
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from sagecask.serve.connection import Connection, settled
from sagecask.serve.crowd import Crowd
from sagecask.serve.half_sent import HalfSent
from sagecask.serve.response import Environs, WholeResponse

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from gunicorn.http.message import Request

_log = logging.getLogger(__name__)

# signals that the master passes on to its workers
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# between closing the connection of a late request and ending the process that is stuck with it
STUCK_SECONDS = 2.0
# after which a thread's turn passes on; others may wait that long, and twice as long where it has just begun
PATIENCE_SECONDS = 0.005
# looks without work after which the main thread sleeps until it is woken
IDLE_LOOKS = 40
NOTIFY_SECONDS = 1.0
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


@dataclass(slots=True, eq=False)
class _Work:
    """A connection that the thread on turn attends to; `polled` while the poller still looks at it."""

    conn: Connection
    since: float
    polled: bool = True


class InvocationWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Threads of which one at a time waits for clients and answers them itself, without handing anything over.

    Where that takes longer than `PATIENCE_SECONDS` the next thread has its turn, and the first one ends its work beside
    it. So requests of microseconds cost no change of threads, and requests of seconds hold up nobody. The main thread
    sees to the turns, and to requests that outlast `timeout_seconds` of the server's application.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._environs = Environs(self.cfg)
        self._settled = settled(self.cfg)
        self._limit: float = self.app.timeout_seconds
        self._max_body_bytes: int = self.app.max_body_bytes
        self._crowd = Crowd()
        self._connections = self._crowd.connections
        self._half_sent = HalfSent()
        self._started: dict[Connection, float] = {}
        self._late: set[Connection] = set()
        # who holds it waits for clients; passed on under the guard, as all that threads share is changed
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._work: _Work | None = None
        self._bell = threading.Event()
        self._asleep = False

    def init_signals(self) -> None:
        super().init_signals()
        _release_signals()

    def handle_exit(self, _number: int, _frame: FrameType | None) -> None:
        self.alive = False
        self._bell.set()

    def run(self) -> None:
        """Answer until the end is asked for, then what is under way, for `graceful_timeout` at most."""
        self.set_accept_enabled(enabled=True)
        threads = [threading.Thread(target=self._take_turns, daemon=True) for _ in range(self.cfg.threads)]
        for thread in threads:
            thread.start()
        while self.alive and self.is_parent_alive():
            self._see_to_turns(threads)
        self.set_accept_enabled(enabled=False)
        now = time.monotonic()
        for conn in list(self._connections):
            # a client may be sending on a connection that it was promised to keep
            conn.timeout = min(conn.timeout, now + STOP_KEEPALIVE_LINGER)
        while self._connections and time.monotonic() < now + self.cfg.graceful_timeout:
            self._see_to_turns(threads)
        for listener in self.sockets:
            listener.close()

    def set_accept_enabled(self, enabled: bool) -> None:
        with self._guard:
            super().set_accept_enabled(enabled)

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; its first bytes are waited for like those of any other."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                # where nobody can be sent away, not before the next second
                self.set_accept_enabled(enabled=self._crowd.make_room())
            return
        conn = Connection(self._settled, client, address, listener.getsockname(), self._max_body_bytes)
        self._connections.add(conn)
        with self._guard:
            self.poller.register(client, selectors.EVENT_READ, conn)
        if len(self._connections) > self.worker_connections:
            self._crowd.make_room()

    def _see_to_turns(self, threads: list[threading.Thread]) -> None:
        """Look after the thread on turn for about a second: often while there is work, not at all without."""
        self.notify()
        if not all(thread.is_alive() for thread in threads):
            _log.critical("a thread that answers has ended; so does the worker, which is replaced")
            os._exit(1)
        if self.alive and not self._accepting:
            self.set_accept_enabled(enabled=True)
        end, idle = time.monotonic() + NOTIFY_SECONDS, 0
        while (left := end - time.monotonic()) > 0:
            busy = self._work or self._half_sent.waiting or not self._turn.locked()
            idle = 0 if busy else idle + 1
            self._asleep = idle > IDLE_LOOKS
            if self._bell.wait(left if self._asleep else PATIENCE_SECONDS):
                self._bell.clear()
                idle = 0
                if not self.alive:
                    break
            self._asleep = False
            self._pass_on()
            self._crowd.relieve(short=not self._turn.locked())
            self._receive_again()

    def _pass_on(self) -> None:
        """Give the turn to another thread where the one that has it takes too long."""
        with self._guard:
            work = self._work
            if work is not None and time.monotonic() - work.since > PATIENCE_SECONDS:
                if work.polled:
                    self.poller.unregister(work.conn.sock)
                    work.polled = False
                self._work = None
                self._turn.release()

    def _receive_again(self) -> None:
        """Go on with the clients for whose bytes there was no room, once there is."""
        if self._half_sent.waiting:
            with self._guard:
                for conn in self._half_sent.resumed():
                    self.poller.register(conn.sock, selectors.EVENT_READ, conn)

    def _take_turns(self) -> None:
        while True:
            self._turn.acquire()
            while all(self._attend(key) for key, _ in self.poller.select()):
                pass

    def _attend(self, key: selectors.SelectorKey) -> bool:
        """Accept a connection, or go on with one; return whether it is still this thread's turn."""
        if not isinstance(key.data, Connection):
            key.data(key.fileobj)
            return True
        if not self._half_sent.admits(key.data):
            with self._guard:
                self.poller.unregister(key.fileobj)
                self._half_sent.waiting[key.data] = None
            self._bell.set()
            return True
        work = self._work = _Work(key.data, time.monotonic())
        self._crowd.attended[work.conn] = work.since
        if self._asleep:
            self._bell.set()
        kept = self._go_on(work.conn) or work.conn.linger()
        if not kept:
            self._close(work)
        self._crowd.attended.pop(work.conn, None)
        with self._guard:
            mine = self._work is work
            if mine:
                self._work = None
            elif kept:
                self.poller.register(work.conn.sock, selectors.EVENT_READ, work.conn)
        return mine

    def _go_on(self, conn: Connection) -> bool:
        """Receive, and answer every request that is whole; return whether the connection is kept."""
        try:
            open_ended = conn.receive()
        except OSError as error:
            _log.debug("connection was lost: %s", error)
            self._forget(conn)
            return False
        while conn.pending:
            self._started.setdefault(conn, time.monotonic())
            ready = conn.parser.ready()
            if open_ended and not ready:
                self._half_sent.keep(conn)
                return True
            if not self.handle(conn):
                return False
            conn.set_timeout()
        return open_ended

    def _close(self, work: _Work) -> None:
        with self._guard:
            if work.polled:
                self.poller.unregister(work.conn.sock)
                work.polled = False
        work.conn.close()
        self._connections.discard(work.conn)
        if not self.alive:
            self._bell.set()

    def _forget(self, conn: Connection) -> None:
        self._late.discard(conn)
        self._started.pop(conn, None)
        self._half_sent.let_go(conn)

    def handle(self, conn: Connection) -> object:
        """Answer one request; its time runs from its first byte to the last of the answer."""
        conn.answering = True
        try:
            return super().handle(conn)
        finally:
            conn.answering = conn.sending = False
            self._forget(conn)

    def handle_request(self, req: Request, conn: Connection) -> bool:
        """Have the application answer; return whether the connection can be kept."""
        began, whole = time.perf_counter(), False
        response, environ = WholeResponse(req, conn.sock, self._settled), self._environs.of(req, conn)
        if not self.alive:
            response.force_close()
        pieces = self.wsgi(environ, response.start_response)
        conn.sending = True
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
            whole = True
        finally:
            if response.headers_sent and not whole:
                # the client must not take a refusal for the rest of the answer
                conn.shut()
            self.log.access(response, req, environ, timedelta(seconds=time.perf_counter() - began))
            if hasattr(pieces, "close"):
                pieces.close()
        return not response.should_close()

    def notify(self) -> None:
        """Tell the master that this process lives, and look at the requests under way and at idle connections."""
        super().notify()
        now = time.monotonic()
        for conn, started in list(self._started.items()):
            if conn.answering and now - started > self._limit + STUCK_SECONDS:
                _log.critical("a request still runs after %.0f s; the worker ends and is replaced", now - started)
                os._exit(1)
            if now - started > self._limit and conn not in self._late:
                self._late.add(conn)
                _log.error("a request took more than %.0f s; its connection is closed", self._limit)
                conn.shut()
        for conn in list(self._connections):
            if now > conn.timeout and conn not in self._started:
                conn.shut()

    def handle_error(
        self, req: Request | None, client: socket.socket, addr: tuple[str, int], exc: BaseException
    ) -> None:
        """Answer what never reached the application, as the application would."""
        if isinstance(exc, errors.ParseException):
            status, reason = PARSER_STATUSES.get(type(exc), (400, "Bad Request"))
            identifier, message = str(uuid.uuid4()), f"request: HTTP/1.1; got {exc}"
            _log.warning("request %s: status %d: %r", identifier, status, message, extra={"request_id": identifier})
            self.log.metrics.observe("other", status, 0.0)
            _refuse(client, f"{status} {reason}", {"error": message, "request_id": identifier})
        else:
            super().handle_error(req, client, addr, exc)


def _refuse(client: socket.socket, status: str, answer: dict[str, str]) -> None:
    body = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    try:
        util.write_nonblock(client, head.encode() + b"\r\n" + body)
    except OSError as error:
        _log.debug("the client left before it was answered: %s", error)
