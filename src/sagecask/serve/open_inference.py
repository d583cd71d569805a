"""Open Inference Protocol, version 2, REST with tensors in JSON: the same models, for clients of KServe and the like.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from flask import Flask, Response, request

from sagecask import __version__
from sagecask.errors import ModelNotLoaded
from sagecask.formats import Layout
from sagecask.serve.body import read_body
from sagecask.serve.invocation import Exchange
from sagecask.serve.metrics import MODEL
from sagecask.serve.refusals import TERMS, answer
from sagecask.serve.tensors import TensorCodec, described

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sagecask.serve.invocation import Invocations


class Models(Protocol):
    """Where models are found by their names."""

    def using(self, name: str) -> AbstractContextManager[Invocations]:
        """Hold a model while it is asked.

        Raises
        ------
        ModelNotLoaded : no model has the name
        """


@dataclass(frozen=True)
class OneModel:
    """The only model of a server, under its name."""

    name: str
    invocations: Invocations

    @contextmanager
    def using(self, name: str) -> Iterator[Invocations]:
        if name != self.name:
            raise ModelNotLoaded(f'model "{name}": the one that is served ("{self.name}"); got another')
        yield self.invocations


def add_open_inference(app: Flask, models: Models) -> None:
    """Add the routes below /v2."""

    @app.get("/v2", provide_automatic_options=False)
    def server() -> Response:
        return answer(200, {"name": "sagecask", "version": __version__, "extensions": []})

    @app.get("/v2/health/live", provide_automatic_options=False)
    def live() -> Response:
        return answer(200, {"live": True})

    @app.get("/v2/health/ready", provide_automatic_options=False)
    def ready() -> Response:
        return answer(200, {"ready": True})

    @app.get("/v2/models/<path:name>", provide_automatic_options=False)
    def metadata(name: str) -> Response:
        with models.using(name) as invocations:
            return answer(200, {"name": name, "versions": [], **described(invocations)})

    @app.get("/v2/models/<path:name>/ready", provide_automatic_options=False)
    def model_ready(name: str) -> Response:
        with models.using(name):
            return answer(200, {"name": name, "ready": True})

    @app.post("/v2/models/<path:name>/infer", provide_automatic_options=False)
    def infer(name: str) -> Response:
        with models.using(name) as invocations:
            if not isinstance(models, OneModel):
                request.environ[MODEL] = name
            # the protocol has 400 for what cannot be read
            terms = request.environ[TERMS] = replace(invocations.terms, malformed_status=400)
            del invocations
        codec = TensorCodec(name, read_body(request.environ, terms.max_body_bytes))
        with models.using(name) as invocations:
            # the codec has read the body: parameters in it are what Accept is elsewhere
            reply = invocations.answer(Exchange(codec, Layout(), codec, codec.accept), b"")
            del invocations
        return Response(reply, mimetype="application/json")
