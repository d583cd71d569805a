"""The one table from errors to statuses, and how a refusal looks to the client and in the log."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from sagecask.errors import (
    DataError,
    InsufficientMemory,
    MalformedBody,
    ModelAlreadyLoaded,
    ModelNotLoaded,
    NotAcceptable,
    PayloadTooLarge,
    SagecaskError,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from sagecask.serve.tracing import identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagecask.serve.invocation import Terms

_log = logging.getLogger("sagecask.serve.app")

# the first class that fits decides; what is not in here is 500. A malformed body's status is the algorithm's own.
STATUSES: tuple[tuple[type[SagecaskError], int], ...] = (
    (DataError, 400),
    (ModelNotLoaded, 404),
    (NotAcceptable, 406),
    (ModelAlreadyLoaded, 409),
    (PayloadTooLarge, 413),
    (UnsupportedMediaType, 415),
    (UnsupportedEncoding, 415),
    (InsufficientMemory, 507),
)
INTERNAL_ERROR = 500
# where a request keeps the terms of the model that it reached
TERMS = "sagecask.terms"


def refuse(error: Exception) -> Response:
    """Log an error and answer with it; what was not foreseen stays in the log, with its traceback."""
    terms: Terms | None = request.environ.get(TERMS)
    status = _status(error, terms)
    message, accepted, headers = str(error), _accepted(error, status, terms), {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(accepted or ())
        message = f"{request.path}: method {headers['Allow']}; got {request.method}"
    elif isinstance(error, UnsupportedEncoding):
        # RFC 9110, section 15.5.16
        headers["Accept-Encoding"] = "identity"
    elif isinstance(error, NotFound):
        message = f'path: {current_app.config["PATHS"]}; got "{request.path}"'
    elif isinstance(error, HTTPException):
        message = error.description or error.name
    elif not isinstance(error, SagecaskError):
        message = "the server failed unexpectedly; its log names the cause under this request_id"
    known = identifiers(request.environ)
    _tell(error, status, message, known)
    body: dict[str, object] = {"error": message, **known}
    if accepted is not None:
        body["accepted"] = list(accepted)
    return answer(status, body, headers)


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response in JSON."""
    return Response(json.dumps(body), status=status, headers=headers, mimetype="application/json")


def _status(error: Exception, terms: Terms | None) -> int:
    if isinstance(error, HTTPException):
        return error.code or INTERNAL_ERROR
    if terms is not None and isinstance(error, MalformedBody):
        return terms.malformed_status
    if terms is not None and isinstance(error, NotAcceptable):
        return terms.unacceptable_status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), INTERNAL_ERROR)


def _accepted(error: Exception, status: int, terms: Terms | None) -> tuple[str, ...] | None:
    """Return what would have been accepted, where it can be listed."""
    if isinstance(error, MethodNotAllowed):
        return tuple(sorted(error.valid_methods or ()))
    if terms is not None and isinstance(error, NotAcceptable):
        return terms.accepts
    if isinstance(error, UnsupportedEncoding):
        return ("identity",)
    return terms.content_types if terms is not None and status == 415 else None


def _tell(error: Exception, status: int, message: str, known: dict[str, str]) -> None:
    identifier, extra = known["request_id"], {**known, "status": status}
    if status == 507:
        _log.warning("request %s: status %d: %s", identifier, status, _printable(message), extra=extra)
    elif status >= INTERNAL_ERROR:
        _log.error("request %s: %s", identifier, _printable(message), exc_info=error, extra=extra)
    else:
        _log.warning("request %s: status %d: %s", identifier, status, _printable(message), extra=extra)


def _printable(text: str) -> str:
    # a request must not be able to write lines of its own into the log
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
