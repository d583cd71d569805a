"""One client's connection, whose requests are collected as their bytes arrive, so that no thread waits for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

if TYPE_CHECKING:
    import socket

    from gunicorn.config import Config

RECEIVE_BYTES = 65536
# a longer head, and what a body is longer, is read by the thread that answers: clients' bytes must not fill the memory
HEAD_BYTES = 65536
BODY_BYTES = 262144


def settled(cfg: Config) -> SimpleNamespace:
    """Return the settings as plain attributes: gunicorn looks up two dozen of them for every request."""
    values = {name: setting.get() for name, setting in cfg.settings.items()}
    return SimpleNamespace(**values | {"is_ssl": cfg.is_ssl})


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection of gunicorn's thread worker.

    answering : whether a thread is at its request
    """

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

    @property
    def pending(self) -> bool:
        """Whether some of a request is here."""
        return self.parser.held is not None or self.parser.unreader.buf.seek(0, 2) > 0


class _Request(Request):  # type: ignore[misc]
    """A request that believes no header about an address or scheme before the one that it came from."""

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        return {}, []


class CollectingParser(RequestParser):  # type: ignore[misc]
    """A parser whose next request, or what is wrong with it, can be known before it is asked for."""

    mesg_class = _Request
    held: Request | ParseException | StopIteration | None = None

    def ready(self) -> bool:
        """Return whether answering can begin without waiting for bytes, or must, to go on."""
        if self.held is None:
            head = self.unreader.buf.getvalue()
            if b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
                return False
            try:
                self.held = super().__next__()
            except (ParseException, StopIteration) as error:
                self.held = error
        if isinstance(self.held, Exception) or self.held._expected_100_continue:
            return True
        reader = self.held.body.reader
        # in chunks the length is not known
        if not isinstance(reader, LengthReader):
            return True
        return bool(self.unreader.buf.seek(0, 2) >= min(reader.length, BODY_BYTES))

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Pass over what the application has not read of a body, which mostly is nothing."""
        body = self.mesg.body if self.mesg else None
        if body and isinstance(body.reader, LengthReader) and body.reader.length == 0 and not body.failed:
            return True
        return bool(super().finish_body(deadline, max_bytes))

    def __next__(self) -> Request:
        held, self.held = self.held, None
        if isinstance(held, Exception):
            raise held
        return held or super().__next__()

    next = __next__
