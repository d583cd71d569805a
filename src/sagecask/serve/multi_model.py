"""The routes by which the platform loads, lists, asks and unloads models (contract §13)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from sagecask.serve.body import read_body
from sagecask.serve.metrics import MODEL
from sagecask.serve.plain_invocation import FAILURE, PlainInvocation
from sagecask.serve.refusals import TERMS, answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from sagecask.formats import MediaType
    from sagecask.serve.loaded_models import LoadedModel, LoadedModels

# entries of one answer to GET /models
PAGE = 100
# of a request that loads a model
MAX_LOAD_BODY = 64 * 1024
MAX_NAME = 1024


def add_models(app: Flask, models: LoadedModels) -> None:
    """Add the routes below /models."""

    @app.post("/models", provide_automatic_options=False)
    def load() -> Response:
        name, url = _asked_for(read_body(request.environ, MAX_LOAD_BODY))
        return answer(200, _entry(models.load(name, url)))

    @app.get("/models", provide_automatic_options=False)
    def listing() -> Response:
        return answer(200, _page(models.all(), request.args.get("next_page_token", "")))

    @app.get("/models/<path:name>", provide_automatic_options=False)
    def entry(name: str) -> Response:
        return answer(200, _entry(models.find(name)))

    @app.delete("/models/<path:name>", provide_automatic_options=False)
    def unload(name: str) -> Response:
        return answer(200, _entry(models.unload(name)))

    @app.post("/models/<path:name>/invoke", provide_automatic_options=False)
    def invoke(name: str) -> Response:
        if FAILURE in request.environ:
            raise request.environ[FAILURE]
        answered = ask(models, name, request.environ)
        return Response(status=204) if answered is None else Response(answered[1], mimetype=answered[0].essence)


class PlainModelInvocation(PlainInvocation):
    """Answers the POST of /models/NAME/invoke before Flask's contexts and routes."""

    def __init__(self, models: LoadedModels) -> None:
        self._models = models

    def ask(self, environ: WSGIEnvironment) -> tuple[MediaType, bytes] | None:
        path = environ["PATH_INFO"]
        if not (path.startswith("/models/") and path.endswith("/invoke")):
            return None
        # bytes of UTF-8 as characters (PEP 3333); what is none has no model
        name = path[len("/models/") : -len("/invoke")].encode("latin-1").decode(errors="replace")
        return ask(self._models, name, environ) if name else None


def ask(models: LoadedModels, name: str, environ: WSGIEnvironment) -> tuple[MediaType, bytes] | None:
    """Return the answer of a model and its type; None without a body.

    Raises
    ------
    ModelNotLoaded : no model has the name
    """
    # not held while the client sends its body: unloading would wait for it
    with models.using(name) as invocations:
        environ[MODEL] = name
        terms = environ[TERMS] = invocations.terms
        exchange = invocations.settle(environ.get("CONTENT_TYPE"), environ.get("HTTP_ACCEPT"))
        del invocations
    body = read_body(environ, terms.max_body_bytes)
    if not body:
        return None
    with models.using(name) as invocations:
        reply = invocations.answer(exchange, body)
        del invocations
    return exchange.accept, reply


def _asked_for(body: bytes) -> tuple[str, str]:
    """Return model_name and url.

    Raises
    ------
    BadRequest : the body is not what the platform sends
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"request body: a JSON object with model_name and url; got {error}") from error
    keys = ("model_name", "url")
    if not isinstance(asked, dict) or not all(isinstance(asked.get(key), str) and asked[key] for key in keys):
        raise BadRequest("request body: a JSON object with the texts model_name and url; got none")
    name, url = asked["model_name"], asked["url"]
    if len(name) > MAX_NAME or not name.isprintable() or "\0" in url:
        raise BadRequest(f"request body: a printable model_name of at most {MAX_NAME} characters; got another")
    return name, url


def _entry(model: LoadedModel) -> dict[str, str]:
    return {"modelName": model.name, "modelUrl": model.url}


def _page(models: list[LoadedModel], token: str) -> dict[str, object]:
    """Return the entries behind the name that the token holds: what comes or goes meanwhile shifts no page."""
    if token:
        after = _read_token(token)
        models = [model for model in models if model.name > after]
    page: dict[str, object] = {"models": [_entry(model) for model in models[:PAGE]]}
    if len(models) > PAGE:
        page["nextPageToken"] = base64.urlsafe_b64encode(models[PAGE - 1].name.encode()).decode().rstrip("=")
    return page


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise BadRequest("next_page_token: one that an answer of GET /models held; got another") from error
