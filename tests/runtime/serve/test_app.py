"""The application in this process, around an algorithm that does what its requests say."""

from __future__ import annotations

import json
import logging
import os

import pytest

from sagecask.errors import UsageError

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonlines"


def post(client, body=b"0,1.5\n", content_type=CSV, accept=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if accept is not None:
        named["Accept"] = accept
    return client.post("/invocations", data=body, content_type=content_type, headers=named)


def refusal(response):
    """Status and JSON body without its request_id, which must be there."""
    answer = response.get_json()
    assert response.content_type == JSON
    assert answer.pop("request_id")
    return response.status_code, answer


@pytest.mark.parametrize("method", ["get", "head"])
def test_ping_is_200_and_empty(probe_client, method):
    response = getattr(probe_client(), method)("/ping")
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize(
    ("environ", "strategy", "megabytes"),
    [
        ({}, "MULTI_RECORD", 6),
        ({"SAGEMAKER_BATCH": "true"}, "MULTI_RECORD", 6),
        ({"SAGEMAKER_BATCH": "True"}, "MultiRecord", 6),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "25"}, "MULTI_RECORD", 25),
        ({"MAX_CONTENT_LENGTH": "20971520"}, "MULTI_RECORD", 20),
        ({"MAX_CONTENT_LENGTH": "1000"}, "MULTI_RECORD", 1),
        ({"MAX_CONTENT_LENGTH": "0"}, "MULTI_RECORD", 100),
    ],
)
def test_execution_parameters_in_the_spelling_of_who_asks(probe_client, environ, strategy, megabytes):
    response = probe_client(SAGEMAKER_MODEL_SERVER_WORKERS="3", **environ).get("/execution-parameters")
    assert response.content_type == JSON
    assert response.get_json() == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": strategy,
        "MaxPayloadInMB": megabytes,
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, b"0,1.5\n"),
        ("Text/CSV ; charset=utf-16", "0,1.5\n".encode("utf-16")),
        ("text/csv;label_size=0", b"0,1.5"),
        ("text/csv; label_size=1", b"7,0,1.5\n"),
        (JSON, b'{"instances": [{"features": [0, 1.5]}]}'),
    ],
)
@pytest.mark.parametrize(
    ("accept", "answered", "read"),
    [
        (None, JSON, lambda data: json.loads(data)["predictions"][0]["score"]),
        ("", JSON, lambda data: json.loads(data)["predictions"][0]["score"]),
        ("*/*", JSON, lambda data: json.loads(data)["predictions"][0]["score"]),
        ("text/csv", "text/csv; charset=utf-8", lambda data: float(data.split(b",")[0])),
        ("application/jsonlines", LINES, lambda data: json.loads(data)["score"]),
        ("image/png, text/csv;q=0.2, application/jsonlines;q=0.9", LINES, lambda data: json.loads(data)["score"]),
    ],
)
def test_every_content_type_is_answered_in_every_accept(probe_client, content_type, body, accept, answered, read):
    response = post(probe_client(), body, content_type, accept)
    assert (response.status_code, response.content_type, read(response.data)) == (200, answered, 1.5)


def test_default_accept_comes_from_the_environment(probe_client):
    client = probe_client(SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert post(client).mimetype == CSV
    assert post(client, accept="*/*").mimetype == CSV
    assert post(client, accept=JSON).mimetype == JSON


def test_default_accept_that_the_algorithm_lacks_is_a_usage_error(probe_client):
    with pytest.raises(UsageError) as error:
        probe_client(SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="image/png")
    assert str(error.value) == (
        "environment: variable SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT must be one of "
        'application/json, text/csv, application/jsonlines; got "image/png"'
    )


def test_batch_jobs_are_answered_in_the_algorithms_batch_type(probe_client):
    assert post(probe_client(SAGEMAKER_BATCH="true"), accept=CSV).mimetype == LINES
    assert post(probe_client(SAGEMAKER_BATCH="true"), accept="image/png").mimetype == LINES


def test_batch_jobs_with_selected_outputs_are_answered_as_accept_says(probe_client):
    client = probe_client(SAGEMAKER_BATCH="true", SAGEMAKER_INFERENCE_OUTPUT="predicted_label")
    assert post(client, accept=CSV).mimetype == CSV


def test_no_body_is_204(probe_client):
    response = post(probe_client(), b"")
    assert (response.status_code, response.data) == (204, b"")


def test_unknown_content_type_is_415(probe_client):
    assert refusal(post(probe_client(), content_type="application/octet-stream")) == (
        415,
        {
            "error": 'content type: one of text/csv, application/json; got "application/octet-stream"',
            "accepted": [CSV, JSON],
        },
    )


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_content_type_without_a_default_is_415(probe_client, header):
    assert refusal(post(probe_client(), content_type=header)) == (
        415,
        {"error": "content type: one of text/csv, application/json; got none", "accepted": [CSV, JSON]},
    )


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("label_size=-1", 'content type: parameter label_size must be an integer in [0, 999]; got "-1"'),
        ("label_size=9999", 'content type: parameter label_size must be an integer in [0, 999]; got "9999"'),
        ("label_size", 'content type: parameter label_size must be an integer in [0, 999]; got "true"'),
        ("charset=klingon", 'content type: parameter charset must name a character set; got "klingon"'),
        ("charset=base64", 'content type: parameter charset must name a character set; got "base64"'),
    ],
)
def test_wrong_parameter_of_the_content_type_is_415(probe_client, parameter, message):
    response = post(probe_client(), content_type=f"text/csv; {parameter}")
    assert refusal(response) == (415, {"error": message, "accepted": [CSV, JSON]})


def test_unknown_accept_is_406(probe_client):
    assert refusal(post(probe_client(), accept="image/png, text/html")) == (
        406,
        {
            "error": "accept: at least one of application/json, text/csv, application/jsonlines; "
            'got "image/png, text/html"',
            "accepted": [JSON, CSV, LINES],
        },
    )


def test_types_are_settled_before_the_body(probe_client):
    client = probe_client(MAX_CONTENT_LENGTH="10")
    assert post(client, b"\xff" * 100, content_type="image/png").status_code == 415
    assert post(client, b"\xff" * 100, accept="image/png").status_code == 406
    assert post(client, b"\xff" * 100).status_code == 413
    assert post(client, b"\xff" * 10).status_code == 400


def test_body_over_the_limit_is_413(probe_client):
    client = probe_client(MAX_CONTENT_LENGTH="10")
    assert post(client, b"0,1234567\n").status_code == 200
    assert refusal(post(client, b"0,12345678\n")) == (413, {"error": "request body: at most 10 bytes; got 11"})


def test_limit_of_zero_is_none(probe_client):
    assert post(probe_client(MAX_CONTENT_LENGTH="0"), b"0\n" * 4_000_000).status_code == 200


def test_body_that_ends_early_is_400(probe_client):
    response = probe_client().post(
        "/invocations", data=b"0,1", content_type=CSV, environ_overrides={"CONTENT_LENGTH": "10"}
    )
    assert refusal(response) == (400, {"error": "request body: 10 bytes, as Content-Length says; got 3"})


def test_body_that_is_not_of_its_type_is_400(probe_client):
    status, answer = refusal(post(probe_client(), b"{", content_type=JSON))
    assert status == 400
    assert set(answer) == {"error"}


def test_rows_that_do_not_fit_the_model_are_400(probe_client):
    assert refusal(post(probe_client(), b"-3,1\n")) == (400, {"error": "rows: 1 column; got 2"})


def test_failure_of_the_algorithm_is_500_and_logged(probe_client, caplog):
    status, answer = refusal(post(probe_client(), b"-2\n", X_Request_Id="r-1"))
    assert (status, answer) == (500, {"error": "probe: the library must not fail; got a failure"})
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.getMessage() == "request r-1: probe: the library must not fail; got a failure"
    assert record.exc_info is not None


def test_unforeseen_error_is_500_and_only_the_log_knows_it(probe_client, caplog):
    response = post(probe_client(), b"-1\n", X_Request_Id="r-2")
    assert response.status_code == 500
    assert response.get_json() == {
        "error": "the server failed unexpectedly; its log names the cause under this request_id",
        "request_id": "r-2",
    }
    assert "request r-2" in caplog.text
    assert "ValueError: a secret that only the log may tell" in caplog.text


@pytest.mark.parametrize("path", ["/", "/ping/", "/Ping", "/invocations/x", "/invocations//", "/\nping"])
def test_unknown_path_is_404(probe_client, path):
    response = probe_client().get("/", environ_overrides={"PATH_INFO": path})
    message = f'path: /ping, /invocations or /execution-parameters; got "{path}"'
    assert refusal(response) == (404, {"error": message})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/invocations", ["POST"]),
        ("PUT", "/invocations", ["POST"]),
        ("OPTIONS", "/invocations", ["POST"]),
        ("POST", "/ping", ["GET", "HEAD"]),
        ("DELETE", "/execution-parameters", ["GET", "HEAD"]),
    ],
)
def test_wrong_method_is_405(probe_client, method, path, allowed):
    response = probe_client().open(path, method=method)
    assert response.headers["Allow"] == ", ".join(allowed)
    message = f"{path}: method {', '.join(allowed)}; got {method}"
    assert refusal(response) == (405, {"error": message, "accepted": allowed})


@pytest.mark.parametrize("header", ["X-Request-Id", "X-Amzn-RequestId"])
def test_request_id_of_the_client_is_kept(probe_client, header):
    response = probe_client().get("/", headers={header: "c0ffee-1"})
    assert response.get_json()["request_id"] == "c0ffee-1"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "\u00e9", '"'])
def test_request_id_that_could_harm_the_log_is_replaced(probe_client, sent):
    identifier = probe_client().get("/", headers={"X-Request-Id": sent}).get_json()["request_id"]
    assert len(identifier) == 36


def test_request_cannot_write_log_lines(probe_client, caplog):
    probe_client().get("/", environ_overrides={"PATH_INFO": "/a\nERROR forged\x1b[31m"})
    [record] = caplog.records
    assert record.getMessage().endswith(r'got "/a\nERROR forged\x1b[31m"')


def test_custom_attributes_are_not_echoed(probe_client):
    response = post(probe_client(), **{"X_Amzn_SageMaker_Custom_Attributes": "trace=1"})
    assert response.status_code == 200
    assert not [name for name in response.headers if "custom" in name[0].lower()]


def test_model_answers_in_the_process_of_the_server(probe_client):
    assert post(probe_client()).get_json() == {"predictions": [{"score": 1.5, "process": os.getpid()}]}
