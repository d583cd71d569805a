"""The three routes of a hosting container, and the one table from errors to statuses."""

from __future__ import annotations

import json
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from sagecask.errors import (
    DataError,
    MalformedBody,
    NotAcceptable,
    PayloadTooLarge,
    SagecaskError,
    UnsupportedMediaType,
)
from sagecask.serve.body import read_body
from sagecask.serve.invocation import Invocations
from sagecask.serve.plain_invocation import FAILURE, PlainInvocation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sagecask.algorithm import Algorithm, Model
    from sagecask.contract import ServingJob

_log = logging.getLogger(__name__)

# the first class that fits decides; what is not in here is 500. A malformed body's status is the algorithm's own.
STATUSES: tuple[tuple[type[SagecaskError], int], ...] = (
    (DataError, 400),
    (NotAcceptable, 406),
    (PayloadTooLarge, 413),
    (UnsupportedMediaType, 415),
)
INTERNAL_ERROR = 500
MEGABYTE = 1024 * 1024
# of CreateTransformJob, in MB
MAX_PAYLOAD = 100
# where the log line of a request finds its identifier
REQUEST_ID = "sagecask.request_id"
SANE_ID = re.compile(r"[A-Za-z0-9._:=/+@-]{1,128}")


class Application(Flask):
    """Flask, with the plain POST of /invocations answered before its contexts and routes."""

    plain: PlainInvocation | None = None

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self.plain(environ, start_response) if self.plain else None
        return super().wsgi_app(environ, start_response) if answer is None else answer


def create_app(job: ServingJob, algorithm: Algorithm, model: Model) -> Application:
    """Return the WSGI application that answers with `model`.

    Raises
    ------
    UsageError : the environment asks for an answer type that the algorithm does not have
    """
    inference = algorithm.declaration.inference
    invocations = Invocations(job, inference, model)
    app = Application(__name__, static_folder=None)
    app.plain = PlainInvocation(invocations, job.max_body_bytes)

    @app.get("/ping", provide_automatic_options=False)
    def ping() -> Response:
        return Response(mimetype="text/plain")

    @app.get("/execution-parameters", provide_automatic_options=False)
    def execution_parameters() -> Response:
        return _json(200, _execution_parameters(job))

    @app.post("/invocations", provide_automatic_options=False)
    def invoke() -> Response:
        if FAILURE in request.environ:
            raise request.environ[FAILURE]
        exchange = invocations.settle(request.headers.get("Content-Type"), request.headers.get("Accept"))
        body = read_body(request.environ, job.max_body_bytes)
        if not body:
            return Response(status=204)
        return Response(invocations.answer(exchange, body), mimetype=exchange.accept.essence)

    @app.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        status = inference.malformed_status if isinstance(error, MalformedBody) else _status(error)
        accepted = {406: invocations.accepts, 415: invocations.content_types}.get(status)
        return _refusal(error, status, accepted)

    return app


def request_id(environ: dict[str, Any]) -> str:
    """Return the identifier of a request: what the client sent where it is harmless, else a fresh one."""
    if REQUEST_ID not in environ:
        sent = environ.get("HTTP_X_REQUEST_ID") or environ.get("HTTP_X_AMZN_REQUESTID") or ""
        environ[REQUEST_ID] = sent if SANE_ID.fullmatch(sent) else str(uuid.uuid4())
    return str(environ[REQUEST_ID])


def _execution_parameters(job: ServingJob) -> dict[str, object]:
    megabytes = job.max_body_bytes // MEGABYTE if job.max_body_bytes else MAX_PAYLOAD
    return {
        "MaxConcurrentTransforms": job.workers,
        "BatchStrategy": job.batch_strategy,
        # 0 would ask for chunks of any length
        "MaxPayloadInMB": min(max(megabytes, 1), MAX_PAYLOAD),
    }


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.code or INTERNAL_ERROR
    return next((status for kind, status in STATUSES if isinstance(error, kind)), INTERNAL_ERROR)


def _refusal(error: Exception, status: int, accepted: tuple[str, ...] | None) -> Response:
    """Log an error and answer with it; what was not foreseen stays in the log, with its traceback."""
    identifier = request_id(request.environ)
    message, headers = str(error), {}
    if isinstance(error, MethodNotAllowed):
        accepted = tuple(sorted(error.valid_methods or ()))
        headers["Allow"] = ", ".join(accepted)
        message = f"{request.path}: method {headers['Allow']}; got {request.method}"
    elif isinstance(error, NotFound):
        message = f'path: /ping, /invocations or /execution-parameters; got "{request.path}"'
    elif isinstance(error, HTTPException):
        message = error.description or error.name
    elif not isinstance(error, SagecaskError):
        message = "the server failed unexpectedly; its log names the cause under this request_id"
    known = {"request_id": identifier, "status": status}
    if status >= INTERNAL_ERROR:
        _log.error("request %s: %s", identifier, _printable(message), exc_info=error, extra=known)
    else:
        _log.warning("request %s: status %d: %s", identifier, status, _printable(message), extra=known)
    body: dict[str, object] = {"error": message, "request_id": identifier}
    if accepted is not None:
        body["accepted"] = list(accepted)
    return _json(status, body, headers)


def _printable(text: str) -> str:
    # a request must not be able to write lines of its own into the log
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _json(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status=status, headers=headers, mimetype="application/json")
