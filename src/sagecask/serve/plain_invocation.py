"""The plain POST of /invocations, answered as a WSGI application of its own: what Flask adds costs more than a row."""

from __future__ import annotations

import traceback
from functools import cache
from typing import TYPE_CHECKING

from werkzeug.utils import get_content_type

from sagecask.serve.body import read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sagecask.formats import MediaType
    from sagecask.serve.invocation import Invocations

# where the route finds what went wrong after the body was read
FAILURE = "sagecask.failure"


class PlainInvocation:
    """Answers a request, or leaves it to the routes by None: with nothing read of it, or with the error to refuse by.

    limit : largest body in bytes; 0 is none
    """

    def __init__(self, invocations: Invocations, limit: int) -> None:
        self._invocations = invocations
        self._limit = limit

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes] | None:
        if environ["REQUEST_METHOD"] != "POST":
            return None
        try:
            answered = self.ask(environ)
        except Exception as error:  # noqa: BLE001 - raised again in the route, whose handler is the only one to answer
            # the traceback must not keep a model in memory
            traceback.clear_frames(error.__traceback__)
            environ[FAILURE] = error
            return None
        if answered is None:
            return None
        accept, body = answered
        start_response("200 OK", [("Content-Type", _content_type(accept.essence)), ("Content-Length", str(len(body)))])
        return [body]

    def ask(self, environ: WSGIEnvironment) -> tuple[MediaType, bytes] | None:
        """Return the answer and its type; None for a request of another path, or without a body."""
        if environ["PATH_INFO"] != "/invocations":
            return None
        exchange = self._invocations.settle(environ.get("CONTENT_TYPE"), environ.get("HTTP_ACCEPT"))
        body = read_body(environ, self._limit)
        return (exchange.accept, self._invocations.answer(exchange, body)) if body else None


@cache
def _content_type(essence: str) -> str:
    """Return the header that Flask would send; essences are those that the algorithm declares."""
    return get_content_type(essence, "utf-8")
