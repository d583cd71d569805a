"""One client's connection, whose requests are collected as their bytes arrive, so that no thread waits for them."""

from __future__ import annotations

import logging
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from sagecask.serve.collected_body import ChunkedBody, LengthBody

if TYPE_CHECKING:
    from gunicorn.config import Config

    from sagecask.serve.collected_body import CollectedBody

_log = logging.getLogger(__name__)

RECEIVE_BYTES = 65536
# a longer head is refused
HEAD_BYTES = 65536
# what a client may still send after its last answer, and for how long, so that it comes to read why it was refused
LINGER_BYTES = 128 * 1024 * 1024
LINGER_SECONDS = 2.0


def settled(cfg: Config) -> SimpleNamespace:
    """Return the settings as plain attributes: gunicorn looks up two dozen of them for every request."""
    values = {name: setting.get() for name, setting in cfg.settings.items()}
    return SimpleNamespace(**values | {"is_ssl": cfg.is_ssl})


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection of gunicorn's thread worker.

    answering : whether a thread is at its request
    sending : whether that thread sends the answer
    leaving : whether the last answer was sent, so that nothing that comes is a request
    cut_off : whether nothing can come
    """

    answering = sending = leaving = cut_off = False
    _ended = False
    _dropped = 0

    def __init__(
        self, cfg: SimpleNamespace, client: socket.socket, address: object, server: object, max_body_bytes: int = 0
    ) -> None:
        super().__init__(cfg, client, address, server)
        self.parser = CollectingParser(self.cfg, self.sock, self.client, max_body_bytes)
        self.data_ready = True
        self.init()
        self.set_timeout()

    def receive(self) -> bool:
        """Take over what has arrived; return whether the client sends on.

        Raises
        ------
        OSError : the connection is broken
        """
        data = self.sock.recv(RECEIVE_BYTES)
        self._ended = not data
        if self.leaving:
            self._dropped += len(data)
            return not self._ended and self._dropped < LINGER_BYTES
        self.parser.unreader.buf.seek(0, 2)
        self.parser.unreader.buf.write(data)
        return not self._ended

    def linger(self) -> bool:
        """End the answers; return whether the client sends on, which is received so that it comes to read them."""
        self.parser.forget()
        if self.leaving or self._ended:
            return False
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            _log.debug("connection was closed already: %s", error)
            return False
        self.leaving = True
        self.timeout = time.monotonic() + LINGER_SECONDS
        return True

    def shut(self) -> None:
        """Wake a thread that sends to the client, or have one see that it is gone; one that computes goes on."""
        self.cut_off = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            _log.debug("connection was closed already: %s", error)

    @property
    def pending(self) -> bool:
        """Whether some of a request is here."""
        return self.parser.held is not None or self.parser.unreader.buf.seek(0, 2) > 0


class _Request(Request):  # type: ignore[misc]
    """A request that believes no header about an address or scheme before the one that it came from.

    body : what is collected of it, once the head is parsed
    """

    body: Any

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        return {}, []

    def set_body_reader(self) -> None:
        """Choose how the body is collected; a coding that nobody would undo is none.

        Raises
        ------
        UnsupportedTransferCoding : it is anything but chunked
        """
        super().set_body_reader()
        reader = self.body.reader
        if isinstance(reader, ChunkedReader):
            coding = ", ".join(value for name, value in self.headers if name == "TRANSFER-ENCODING")
            if coding.lower() != "chunked":
                raise UnsupportedTransferCoding(coding)
            self.body = ChunkedBody(lambda lines: self.parse_headers(lines, from_trailer=True))
        else:
            self.body = LengthBody(reader.length)


class _Unreader(SocketUnreader):  # type: ignore[misc]
    """What the client has sent; nothing is waited for."""

    def chunk(self, _size_hint: int | None = None) -> bytes:
        return b""


class CollectingParser(RequestParser):  # type: ignore[misc]
    """A parser whose next request, or what is wrong with it, can be known before it is asked for.

    max_body_bytes : what is longer is answered before it has come; 0 is no limit
    """

    mesg_class = _Request
    held: Request | Exception | None = None

    def __init__(self, cfg: SimpleNamespace, client: socket.socket, address: object, max_body_bytes: int) -> None:
        super().__init__(cfg, client, address)
        self.unreader = _Unreader(client)
        self._max_body_bytes = max_body_bytes

    def collected(self) -> int:
        """Return the bytes that are here of a request or several."""
        body = self.held.body.tell() if isinstance(self.held, Request) else 0
        return int(self.unreader.buf.seek(0, 2) + body)

    def forget(self) -> None:
        """Give up what is here, of the last request too."""
        self.held = None
        self.unreader.take_buffered()
        self.finish_body()

    def ready(self) -> bool:
        """Return whether a request can be answered without waiting for more of it."""
        if self.held is None:
            head = self.unreader.buf.getvalue()
            if b"\r\n\r\n" not in head:
                self.held = _too_long(head)
                return self.held is not None
            try:
                self.held = super().__next__()
            except (ParseException, NoMoreData, StopIteration) as error:
                self.held = error
        if isinstance(self.held, Exception):
            return True
        if self.held._expected_100_continue:
            self.held._expected_100_continue = False
            self._ask_for_body()
        body = self.held.body
        if not body.ended and not self._too_large(body):
            rest = body.take(self.unreader.take_buffered())
            self.unreader.buf.write(rest)
        return bool(body.ended or self._too_large(body))

    def _too_large(self, body: CollectedBody) -> bool:
        return 0 < self._max_body_bytes < body.size

    def _ask_for_body(self) -> None:
        """Tell a client that waits for it to send the body."""
        try:
            self.unreader.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError as error:
            _log.debug("the client left before its body was asked for: %s", error)

    def finish_body(self, **_bounds: object) -> bool:
        """Free the memory of the last request's body; return whether another request can follow it."""
        if self.mesg is None:
            return True
        self.mesg.body.close()
        return bool(self.mesg.body.whole)

    def __next__(self) -> Request:
        """Return the request that `ready` found, as far as it is here, or what there is of a head.

        Raises
        ------
        ParseException : it is malformed
        NoMoreData, StopIteration : it is cut off, or none
        """
        held, self.held = self.held, None
        if isinstance(held, Exception):
            raise held
        request = held or super().__next__()
        request.body.seek(0)
        return request

    next = __next__


def _too_long(head: bytes) -> ParseException | None:
    """Return what is wrong with a head whose end is not here, if that is certain."""
    if len(head) < HEAD_BYTES:
        return None
    if b"\r\n" not in head:
        return LimitRequestLine(len(head), HEAD_BYTES)
    return LimitRequestHeaders("limit request headers fields size")
