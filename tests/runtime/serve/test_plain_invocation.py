"""The way before Flask's: same answers, same refusals, nothing read twice."""

from __future__ import annotations

import io

import pytest
from flask import Flask

from sagecask.serve.plain_invocation import FAILURE

from .test_app import CSV, JSON, LINES, post  # isort: skip


def answers(client, *arguments, **headers):
    """The response of the plain way and, with it taken out, of the route alone; without their request ids."""
    plain = client.application.plain
    assert plain is not None
    responses = [post(client, *arguments, X_Request_Id="same", **headers)]
    client.application.plain = None
    responses.append(post(client, *arguments, X_Request_Id="same", **headers))
    client.application.plain = plain
    return [(each.status, sorted(each.headers), each.data) for each in responses]


@pytest.mark.parametrize("accept", [None, "", "*/*", CSV, JSON, LINES, "image/png, text/csv;q=0.5", "image/png"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"0,1.5\n", CSV),
        (b"0,1.5\n0,2\n", "text/csv; label_size=0"),
        (b'{"instances": [{"features": [0, 1.5]}]}', JSON),
        (b"", CSV),
        (b"0,x\n", CSV),
        (b"-1\n", CSV),
        (b"-2\n", CSV),
        (b"-3\n", CSV),
        (b"0,1", "image/png"),
        (b"0,1", None),
        (b"0" * 101, CSV),
    ],
)
def test_answers_and_refusals_are_those_of_the_route(probe_client, accept, body, content_type):
    plain, routed = answers(probe_client(MAX_CONTENT_LENGTH="100"), body, content_type, accept)
    assert plain == routed


def test_plain_request_does_not_reach_the_routes(probe_client, monkeypatch):
    def forbidden(*arguments):
        raise AssertionError("the routes were asked")

    client = probe_client()
    monkeypatch.setattr(Flask, "wsgi_app", forbidden)
    assert post(client, accept=CSV).status_code == 200


def test_body_is_read_once_and_predicted_once(probe_client):
    client = probe_client()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/invocations",
        "SERVER_NAME": "x",
        "SERVER_PORT": "1",
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": CSV,
        "CONTENT_LENGTH": "3",
        "wsgi.input": io.BytesIO(b"-2\n-2\n"),
    }
    statuses = []
    client.application.wsgi_app(environ, lambda status, *_: statuses.append(status))
    assert statuses == ["500 INTERNAL SERVER ERROR"]
    assert environ["wsgi.input"].tell() == 3
    assert str(environ[FAILURE]) == "probe: the library must not fail; got a failure"


def test_settled_types_are_kept_in_bounds(probe_client):
    client = probe_client()
    for number in range(1000):
        assert post(client, content_type=f"text/csv; n={number}").status_code == 200
    assert len(client.application.plain._invocations._settled) <= 128
