"""One client's connection, whose requests are collected as their bytes arrive, so that no thread waits for them."""

from __future__ import annotations

import logging
import re
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException, UnsupportedTransferCoding
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

if TYPE_CHECKING:
    from gunicorn.config import Config

_log = logging.getLogger(__name__)

RECEIVE_BYTES = 65536
# a longer head is refused; what a body is longer is read by the thread that answers: clients must not fill the memory
HEAD_BYTES = 65536
BODY_BYTES = 262144
CHUNKED_BYTES = 65536
# of the line before a chunk, which may name extensions
CHUNK_SIZE_BYTES = 8190
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,15}")


def settled(cfg: Config) -> SimpleNamespace:
    """Return the settings as plain attributes: gunicorn looks up two dozen of them for every request."""
    values = {name: setting.get() for name, setting in cfg.settings.items()}
    return SimpleNamespace(**values | {"is_ssl": cfg.is_ssl})


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection of gunicorn's thread worker.

    answering : whether a thread is at its request
    leaving : whether nothing is left but to send to the client, or to wait until it closes
    counted : bytes of a request that is not whole, as the worker knows of them
    """

    leaving = False
    counted = 0

    def __init__(self, cfg: SimpleNamespace, client: socket.socket, address: object, server: object) -> None:
        super().__init__(cfg, client, address, server)
        self.answering = False
        self.parser = CollectingParser(self.cfg, self.sock, self.client)
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
        self.parser.unreader.buf.seek(0, 2)
        self.parser.unreader.buf.write(data)
        return bool(data)

    def shut(self) -> None:
        """Wake a thread that waits for the client; one that computes goes on."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            _log.debug("connection was closed already: %s", error)

    @property
    def waits(self) -> bool:
        """Whether the client, not this server, is who lets time pass."""
        return self.leaving or self.parser.unreader.waits

    @property
    def pending(self) -> bool:
        """Whether some of a request is here."""
        return self.parser.held is not None or self.parser.unreader.buf.seek(0, 2) > 0


class _Request(Request):  # type: ignore[misc]
    """A request that believes no header about an address or scheme before the one that it came from."""

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        return {}, []

    def set_body_reader(self) -> None:
        """Choose how the body is read; a coding that nobody would undo is none.

        Raises
        ------
        UnsupportedTransferCoding : it is anything but chunked
        """
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            coding = ", ".join(value for name, value in self.headers if name == "TRANSFER-ENCODING")
            if coding.lower() != "chunked":
                raise UnsupportedTransferCoding(coding)


class _Unreader(SocketUnreader):  # type: ignore[misc]
    """Reads on from the client.

    waits : whether a thread is at it
    """

    waits = False

    def chunk(self, size_hint: int | None = None) -> bytes:
        self.waits = True
        try:
            return bytes(super().chunk(size_hint))
        finally:
            self.waits = False


class CollectingParser(RequestParser):  # type: ignore[misc]
    """A parser whose next request, or what is wrong with it, can be known before it is asked for."""

    mesg_class = _Request
    held: Request | ParseException | StopIteration | None = None
    # up to where the chunks of a body have been looked at
    _looked = 0

    def __init__(self, cfg: SimpleNamespace, client: socket.socket, address: object) -> None:
        super().__init__(cfg, client, address)
        self.unreader = _Unreader(client)

    def collected(self) -> int:
        """Return the bytes that are here of a request or several."""
        return int(self.unreader.buf.seek(0, 2))

    def ready(self) -> bool:
        """Return whether answering can begin without waiting for bytes, or must, to go on."""
        if self.held is None:
            head = self.unreader.buf.getvalue()
            if b"\r\n\r\n" not in head:
                self.held = _too_long(head)
                return self.held is not None
            try:
                self.held, self._looked = super().__next__(), 0
            except (ParseException, StopIteration) as error:
                self.held = error
        if isinstance(self.held, Exception):
            return True
        if self.held._expected_100_continue:
            self.held._expected_100_continue = False
            self._ask_for_body()
        reader = self.held.body.reader
        if isinstance(reader, LengthReader):
            return self.collected() >= min(int(reader.length), BODY_BYTES)
        return self.collected() >= CHUNKED_BYTES or self._chunks_end()

    def _ask_for_body(self) -> None:
        """Tell a client that waits for it to send the body."""
        try:
            self.unreader.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError as error:
            _log.debug("the client left before its body was asked for: %s", error)

    def _chunks_end(self) -> bool:
        """Return whether the last chunk is here, or one that is malformed."""
        data: bytes = self.unreader.buf.getvalue()
        while (end := data.find(b"\r\n", self._looked)) >= 0:
            size = data[self._looked : end].partition(b";")[0].strip()
            if not _HEXADECIMAL.fullmatch(size):
                return True
            if int(size, 16) == 0:
                # trailers may follow
                return data.find(b"\r\n\r\n", end) >= 0
            after = end + 2 + int(size, 16) + 2
            if after > len(data):
                return False
            self._looked = after
        return len(data) - self._looked > CHUNK_SIZE_BYTES

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Pass over what the application has not read of a body, which mostly is nothing."""
        body = self.mesg.body if self.mesg else None
        if body and isinstance(body.reader, LengthReader) and body.reader.length == 0 and not body.failed:
            return True
        return bool(super().finish_body(deadline, max_bytes))

    def __next__(self) -> Request:
        """Return the next request, waiting for its head where `ready` was not asked."""
        held, self.held = self.held, None
        if isinstance(held, Exception):
            raise held
        return held or super().__next__()

    next = __next__


def _too_long(head: bytes) -> ParseException | None:
    """Return what is wrong with a head whose end is not here, if that is certain."""
    if len(head) < HEAD_BYTES:
        return None
    if b"\r\n" not in head:
        return LimitRequestLine(len(head), HEAD_BYTES)
    return LimitRequestHeaders("limit request headers fields size")
