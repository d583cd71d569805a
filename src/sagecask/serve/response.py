"""What goes to and comes from a WSGI application, at less than half of gunicorn's price."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.http import wsgi

if TYPE_CHECKING:
    from gunicorn.config import Config
    from gunicorn.http.message import Request

    from sagecask.serve.connection import Connection

# header fields that CGI knows by names of their own (RFC 3875, sections 4.1.2 and 4.1.3)
_OWN_NAMES = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """A response whose head goes out with the first piece of its body, in one packet."""

    headers_sent: bool
    _head = b""

    def send_headers(self) -> None:
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            self._head = "".join(lines).encode("latin-1")
            self.headers_sent = True

    def default_headers(self) -> list[str]:
        major, minor = self.req.version
        return [
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
            "Transfer-Encoding: chunked\r\n" if self.chunked else "",
        ]

    def close(self) -> None:
        self.send_headers()
        if self._head:
            self.sock.sendall(self._head)
            self._head = b""
        super().close()

    def _emit_body(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if self.chunked:
            data = b"%X\r\n%s\r\n" % (len(data), data)
        self.sock.sendall(head + data)


class _Clock:
    second = 0
    text = ""


def _date(second: int) -> str:
    """Return the Date header of a second since 1970."""
    if _Clock.second != second:
        # a thread that comes in between writes the same text
        _Clock.text, _Clock.second = util.http_date(second), second
    return _Clock.text


class Environs:
    """Makes the environment of a request as gunicorn does, most of it beforehand."""

    def __init__(self, cfg: Config) -> None:
        self._cfg = cfg
        self._always = wsgi.base_environ(cfg) | {"wsgi.multithread": True, "wsgi.url_scheme": "http", "SCRIPT_NAME": ""}
        # a prefix of all paths
        self._plain = not os.environ.get("SCRIPT_NAME")

    def of(self, req: Request, conn: Connection) -> dict[str, Any]:
        """Return the WSGI environment; gunicorn makes it where a header occurs twice, has an underscore or expects."""
        environ: dict[str, Any] = self._always.copy()
        if not self._plain or req._expected_100_continue:
            return self._by_gunicorn(req, conn)
        for name, value in req.headers:
            key = _OWN_NAMES.get(name) or "HTTP_" + name.replace("-", "_")
            if key in environ or "_" in name:
                return self._by_gunicorn(req, conn)
            environ[key] = value
        environ["wsgi.input"] = req.body
        environ["gunicorn.socket"] = conn.sock
        environ["REQUEST_METHOD"] = req.method
        environ["QUERY_STRING"] = req.query
        environ["RAW_URI"] = req.uri
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if req.version == (1, 1) else "HTTP/1.0"
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = conn.client[0], str(conn.client[1])
        environ["SERVER_NAME"], environ["SERVER_PORT"] = conn.server[0], str(conn.server[1])
        environ["PATH_INFO"] = util.unquote_to_wsgi_str(req.path)
        return environ

    def _by_gunicorn(self, req: Request, conn: Connection) -> dict[str, Any]:
        environ: dict[str, Any] = wsgi.create(req, conn.sock, conn.client, conn.server, self._cfg)[1]
        return environ | {"wsgi.multithread": True}
