"""Every form of a request with every form of an answer, sent to a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagecask.formats.record_pb2 import Record
from sagecask.testing.server import serving

ECHO = {
    "PYTHONPATH": str(Path(__file__).parent / "forms_plugin"),
    "SAGECASK_ALGORITHM": "echo",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
SUMS = [17.5, -1.0]
LABELS = [1.0, 0.0]
MAGIC = b"\x0a\x23\xd7\xce"
JSON, LINES, CSV, RECORDIO = (
    "application/json",
    "application/jsonlines",
    "text/csv",
    "application/x-recordio-protobuf",
)


def framed(record: Record) -> bytes:
    payload = record.SerializeToString()
    return MAGIC + len(payload).to_bytes(4, "little") + payload + bytes(-len(payload) % 4)


def dense(values, kind="float32") -> Record:
    record = Record()
    getattr(record.features["values"], f"{kind}_tensor").values.extend(values)
    return record


def sparse(keys, values, width) -> Record:
    record = dense(values)
    tensor = record.features["values"].float32_tensor
    tensor.keys.extend(keys)
    tensor.shape.append(width)
    return record


ROWS = [[1.5, 16.0, 0.0], [-2.0, 0.0, 1.0]]
SPARSE = [
    {"data": {"features": {"keys": [0, 1], "shape": [3], "values": [1.5, 16.0]}}},
    {"data": {"features": {"keys": [2, 0], "shape": [3], "values": [1, -2]}}},
]
REQUESTS = {
    "CSV": ("text/csv", b"1.5,16.0,0\n-2,0,1\n"),
    "CSV, no last newline": ("text/csv", b"1.5,16.0,0\n-2,0,1"),
    "CSV with label_size": ("text/CSV; label_size=1", b"9,1.5,16.0,0\n9,-2,0,1\n"),
    "CSV in UTF-16": ("text/csv; charset=utf-16", "1.5,16.0,0\n-2,0,1\n".encode("utf-16")),
    "libsvm": ("text/libsvm", b"0:1.5 1:16\n0:-2 2:1\n"),
    "libsvm with labels": ("text/x-libsvm", b"1 0:1.5 1:16\n0 0:-2 2:1\n"),
    "JSON, lists": (JSON, json.dumps({"instances": ROWS}).encode()),
    "JSON, features": (JSON, json.dumps({"instances": [{"features": row} for row in ROWS]}).encode()),
    "JSON, data": (
        JSON,
        json.dumps({"instances": [{"data": {"features": {"values": row}}} for row in ROWS]}).encode(),
    ),
    "JSON, sparse": (JSON, json.dumps({"instances": SPARSE}).encode()),
    "JSON, mixed forms": (JSON, json.dumps({"instances": [{"features": ROWS[0]}, SPARSE[1]]}).encode()),
    "JSON, configuration": (
        "application/json; charset=utf-8",
        json.dumps({"instances": [{"features": row, "configuration": {"k": 3}} for row in ROWS]}).encode(),
    ),
    "JSON Lines": (LINES, b"".join(json.dumps({"features": row}).encode() + b"\n" for row in ROWS)),
    "JSON Lines, sparse": (LINES, b"\n".join(json.dumps(row).encode() for row in SPARSE)),
    "recordIO-protobuf": (RECORDIO, b"".join(framed(dense(row)) for row in ROWS)),
    "recordIO-protobuf, doubles": (RECORDIO, b"".join(framed(dense(row, "float64")) for row in ROWS)),
    "recordIO-protobuf, sparse": (
        RECORDIO,
        framed(sparse([0, 1], [1.5, 16.0], 3)) + framed(sparse([2, 0], [1.0, -2.0], 3)),
    ),
}


def records(body: bytes) -> list[dict[str, float]]:
    rows = []
    while body:
        assert body[:4] == MAGIC
        length = int.from_bytes(body[4:8], "little")
        record = Record.FromString(body[8 : 8 + length])
        rows.append({name: value.float32_tensor.values[0] for name, value in record.label.items()})
        body = body[8 + length + -length % 4 :]
    return rows


OBJECTS = [dict(zip(("score", "predicted_label"), pair, strict=True)) for pair in zip(SUMS, LABELS, strict=True)]
ANSWERS = {
    None: (JSON, lambda body: json.loads(body)["predictions"]),
    JSON: (JSON, lambda body: json.loads(body)["predictions"]),
    LINES: (LINES, lambda body: [json.loads(line) for line in body.decode().splitlines()]),
    CSV: (
        "text/csv; charset=utf-8",
        lambda body: [
            dict(zip(OBJECTS[0], map(float, line.split(",")), strict=True)) for line in body.decode().splitlines()
        ],
    ),
    RECORDIO: (RECORDIO, records),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("echo")
    (root / "model").mkdir()
    with serving(root, ECHO) as server:
        yield server


@pytest.mark.parametrize("accept", ANSWERS)
@pytest.mark.parametrize("request_form", REQUESTS)
def test_every_request_form_is_answered_in_every_answer_form(server, request_form, accept):
    content_type, body = REQUESTS[request_form]
    answered, read = ANSWERS[accept]
    answer = server.invoke(body, content_type, accept)
    assert (answer.status, answer.headers["content-type"]) == (200, answered), answer.body
    assert read(answer.body) == OBJECTS


def test_bare_record_is_read_without_its_frame(server):
    answer = server.invoke(dense(ROWS[0]).SerializeToString(), RECORDIO, CSV)
    assert (answer.status, answer.body) == (200, b"17.5,1.0\n")


@pytest.mark.parametrize(
    ("accept", "essence"),
    [
        ("*/*", JSON),
        ("", JSON),
        ("  ", JSON),
        ("text/*", CSV),
        ("application/*", JSON),
        ("application/*;q=0.1, text/csv;q=0.5", CSV),
        ("text/csv;q=0.4, application/jsonlines;q=0.8", LINES),
        ("image/png, application/x-recordio-protobuf", RECORDIO),
        ("application/json;q=0, text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("text/csv; q=nonsense, application/jsonlines", LINES),
    ],
)
def test_accept_is_negotiated(server, accept, essence):
    answer = server.request("POST", "/invocations", b"1,2\n", {"Content-Type": CSV, "Accept": accept})
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, essence)


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "text/plain, image/*", "application/jso"])
def test_accept_that_names_nothing_is_406(server, accept):
    answer = server.invoke(b"1,2\n", CSV, accept)
    assert answer.status == 406
    assert json.loads(answer.body)["accepted"] == [JSON, LINES, CSV, RECORDIO]


@pytest.mark.parametrize("parameter", ["verbose", "verbose=true", "verbose=True", 'Verbose="true"', "q=0.5; verbose"])
@pytest.mark.parametrize("essence", [JSON, LINES])
def test_parameters_of_accept_reach_the_model(server, essence, parameter):
    answer = server.invoke(b"1,2\n", CSV, f"{essence}; {parameter}")
    body = json.loads(answer.body)
    assert (body["predictions"][0] if essence == JSON else body)["width"] == 2.0


def test_default_accept_of_the_environment_counts_where_the_client_does_not_mind(tmp_path):
    (tmp_path / "model").mkdir()
    with serving(tmp_path, ECHO | {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json; verbose"}) as server:
        for accept in (None, "*/*"):
            assert json.loads(server.invoke(b"1,2\n", CSV, accept).body)["predictions"][0]["width"] == 2.0
        assert server.invoke(b"1,2\n", CSV, CSV).body == b"3.0,1.0\n"


@pytest.mark.parametrize("flag", ["true", "True"])
@pytest.mark.parametrize("accept", [None, JSON, CSV, "image/png"])
def test_batch_transform_is_answered_with_one_record_a_line(tmp_path, flag, accept):
    (tmp_path / "model").mkdir()
    with serving(tmp_path, ECHO | {"SAGEMAKER_BATCH": flag}) as server:
        answer = server.invoke(b"1,2\n3,-4\n", CSV, accept)
    assert (answer.status, answer.headers["content-type"]) == (200, LINES)
    assert [json.loads(line)["score"] for line in answer.body.splitlines()] == [3.0, -1.0]
