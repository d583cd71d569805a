"""The routes of a hosting container: one model, or those of a multi-model endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from sagecask.serve.body import read_body
from sagecask.serve.invocation import Invocations
from sagecask.serve.metrics import Metrics
from sagecask.serve.multi_model import MAX_LOAD_BODY, PlainModelInvocation, add_models
from sagecask.serve.open_inference import OneModel, add_open_inference
from sagecask.serve.plain_invocation import FAILURE, PlainInvocation
from sagecask.serve.refusals import TERMS, answer, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sagecask.algorithm import Algorithm, AnyModel
    from sagecask.contract import ServingJob
    from sagecask.serve.loaded_models import LoadedModels

MEGABYTE = 1024 * 1024
# marks a request on the wrong one of two ports
HIDDEN = "sagecask.hidden"
# of CreateTransformJob, in MB
MAX_PAYLOAD = 100


class Application(Flask):
    """Flask, with the plain POST of /invocations answered before its contexts and routes.

    metrics_port : where /metrics has a port of its own, which then answers nothing else
    max_body_bytes : longer bodies are refused by every route, so that nobody waits for their end; 0 is no limit
    """

    plain: PlainInvocation | None = None
    max_body_bytes = 0
    metrics_port: str | None = None
    metrics: Metrics

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.metrics.begun()
        try:
            return self.wsgi_app(environ, start_response)
        finally:
            self.metrics.done()

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.metrics_port and (environ["PATH_INFO"] == "/metrics") != (environ["SERVER_PORT"] == self.metrics_port):
            environ[HIDDEN] = True
            return super().wsgi_app(environ, start_response)
        reply = self.plain(environ, start_response) if self.plain else None
        return super().wsgi_app(environ, start_response) if reply is None else reply


def create_app(job: ServingJob, algorithm: Algorithm, model: AnyModel, metrics: Metrics | None = None) -> Application:
    """Return the WSGI application that answers with `model`.

    Raises
    ------
    UsageError : the environment asks for an answer type that the algorithm does not have
    """
    inference = algorithm.declaration.inference
    invocations = Invocations(job, inference, model)
    app = _application(job, metrics, "/ping, /invocations or /execution-parameters")
    app.plain = PlainInvocation(invocations, invocations.terms.max_body_bytes)
    app.max_body_bytes = invocations.terms.max_body_bytes

    @app.before_request
    def know_terms() -> None:
        request.environ[TERMS] = invocations.terms

    @app.post("/invocations", provide_automatic_options=False)
    def invoke() -> Response:
        if FAILURE in request.environ:
            raise request.environ[FAILURE]
        exchange = invocations.settle(request.headers.get("Content-Type"), request.headers.get("Accept"))
        body = read_body(request.environ, invocations.terms.max_body_bytes)
        if not body:
            return Response(status=204)
        return Response(invocations.answer(exchange, body), mimetype=exchange.accept.essence)

    add_open_inference(app, OneModel(job.model_name or algorithm.declaration.name, invocations))
    return app


def create_multi_model_app(job: ServingJob, models: LoadedModels, metrics: Metrics | None = None) -> Application:
    """Return the WSGI application of a multi-model endpoint."""
    app = _application(job, metrics, "/ping, /execution-parameters, /models, /models/NAME or /models/NAME/invoke")
    app.plain = PlainModelInvocation(models)
    app.max_body_bytes = max(job.max_body_bytes, MAX_LOAD_BODY) if job.max_body_bytes else 0
    add_models(app, models)
    add_open_inference(app, models)
    return app


def _application(job: ServingJob, metrics: Metrics | None, paths: str) -> Application:
    app = Application(__name__, static_folder=None)
    app.config["PATHS"] = paths
    app.metrics_port = str(job.metrics_port) if job.metrics_port else None
    app.metrics = metrics or Metrics()

    @app.get("/ping", provide_automatic_options=False)
    def ping() -> Response:
        return Response(mimetype="text/plain")

    @app.get("/execution-parameters", provide_automatic_options=False)
    def execution_parameters() -> Response:
        return answer(200, _execution_parameters(job))

    @app.get("/metrics", provide_automatic_options=False)
    def exposition() -> Response:
        return Response(app.metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.before_request
    def keep_ports_apart() -> None:
        if HIDDEN in request.environ:
            raise NotFound

    app.register_error_handler(Exception, refuse)
    return app


def _execution_parameters(job: ServingJob) -> dict[str, object]:
    megabytes = job.max_body_bytes // MEGABYTE if job.max_body_bytes else MAX_PAYLOAD
    return {
        "MaxConcurrentTransforms": job.workers,
        "BatchStrategy": job.batch_strategy,
        # 0 would ask for chunks of any length
        "MaxPayloadInMB": min(max(megabytes, 1), MAX_PAYLOAD),
    }
