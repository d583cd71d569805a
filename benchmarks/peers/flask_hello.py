"""What Flask alone costs: a route that reads the body and answers one line."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/ping")
def ping() -> Response:
    return Response()


@app.post("/invocations")
def invocations() -> Response:
    request.get_data()
    return Response("hello\n", mimetype="text/plain")
