"""Open Inference Protocol, version 2, with real servers and in this process."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sagecask import __version__
from sagecask.testing.server import serving

from .conftest import PROBE

ROWS = [[0.5, 2.0, -1.25, 0.0], [1.5, -0.75, 0.25, 3.0]]
FLAT = [value for row in ROWS for value in row]


def tensor(data=FLAT, shape=(2, 4), datatype="FP32", name="features", **more):
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": data, **more}


@pytest.fixture(scope="module")
def server(abalone):
    environ = {"SAGECASK_ALGORITHM": "xgboost", "SAGECASK_MODEL_DIR": str(abalone), "MODEL_NAME": "abalone"}
    with serving(abalone.parent, environ) as server:
        yield server


def get(server, path):
    answer = server.request("GET", path)
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)


def infer(server, body, name="abalone"):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = server.request("POST", f"/v2/models/{name}/infer", raw, {"Content-Type": "application/json"})
    return answer.status, json.loads(answer.body)


def scores(server):
    answer = server.invoke("\n".join(",".join(map(str, row)) for row in ROWS).encode(), "text/csv")
    return [float(line) for line in answer.body.splitlines()]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2", {"name": "sagecask", "version": __version__, "extensions": []}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/abalone/ready", {"name": "abalone", "ready": True}),
        (
            "/v2/models/abalone",
            {
                "name": "abalone",
                "versions": [],
                "platform": "sagecask",
                "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}],
                "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}],
            },
        ),
    ],
)
def test_server_and_model_describe_themselves(server, path, body):
    assert get(server, path) == (200, body)


def test_answer_is_that_of_invocations(server):
    status, answer = infer(server, {"id": "42", "inputs": [tensor()]})
    assert status == 200
    expected = {"name": "score", "datatype": "FP32", "shape": [2], "data": scores(server)}
    assert answer == {"model_name": "abalone", "id": "42", "outputs": [expected]}


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
@pytest.mark.parametrize("data", [FLAT, ROWS])
def test_data_may_be_flat_or_nested(server, datatype, data):
    status, answer = infer(server, {"inputs": [tensor(data, datatype=datatype)]})
    assert (status, answer["outputs"][0]["data"]) == (200, scores(server))


def test_columns_may_come_as_tensors_of_their_own(server):
    columns = list(zip(*ROWS, strict=True))
    inputs = [
        tensor(columns[0], [2], name="length"),
        tensor([list(pair) for pair in zip(columns[1], columns[2], strict=True)], [2, 2], name="others"),
        tensor([0, 3], [2, 1], "INT64", name="rings"),
    ]
    status, answer = infer(server, {"inputs": inputs})
    assert (status, answer["outputs"][0]["data"]) == (200, scores(server))


def test_null_is_a_missing_value(server):
    missing = infer(server, {"inputs": [tensor([0.5, None, None, 0.0], [1, 4])]})[1]["outputs"][0]["data"]
    assert missing == [float(server.invoke(b"0.5,,,0.0", "text/csv").body)]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("BOOL", [True, False]), ("INT8", [-128, 127]), ("UINT8", [0, 255]), ("INT64", [1, 2]), ("UINT64", [1, 2**63]),
     ("FP16", [0.5, 1]), ("INT32", [1, 2]), ("INT16", [1, 2]), ("UINT16", [1, 2]), ("UINT32", [1, 2])],
)  # fmt: skip
def test_every_numeric_datatype_is_read(probe_client, datatype, data):
    client = probe_client(MODEL_NAME="m")
    body = {
        "inputs": [
            tensor([False] if datatype == "BOOL" else [0], [1], datatype, "wait"),
            tensor(data[:1], [1], datatype),
        ]
    }
    response = client.post("/v2/models/m/infer", json=body)
    assert response.status_code == 200
    assert response.get_json()["outputs"][0]["data"] == [float(data[0])]


def test_only_the_outputs_that_are_asked_for_are_answered(probe_client):
    body = {"inputs": [tensor([0, 1.5], [1, 2])], "outputs": [{"name": "score"}]}
    response = probe_client(MODEL_NAME="m").post("/v2/models/m/infer", json=body)
    assert [output["name"] for output in response.get_json()["outputs"]] == ["score"]


def test_parameters_reach_the_model_as_those_of_accept(probe_client):
    body = {"inputs": [tensor([0, 1.5], [1, 2])], "parameters": {"Verbose": True}}
    response = probe_client(MODEL_NAME="m").post("/v2/models/m/infer", json=body)
    [output] = [output for output in response.get_json()["outputs"] if output["name"] == "parameters"]
    assert output == {"name": "parameters", "datatype": "BYTES", "shape": [1], "data": ["verbose=true"]}


WHERE = 'request body, input "features": '
WRONG = [
    (b"{", "request body: JSON; got Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    (b"[" * 100000, "request body: JSON of less nesting; got too many levels"),
    (b"[]", "request body: a JSON object; got another value"),
    (b"{}", "request body: at least one input; got none"),
    ({"inputs": [3]}, 'request body: a list of objects under "inputs"; got none'),
    ({"inputs": [{"name": "a"}]}, 'request body, inputs 1: the key "shape"; got none'),
    ({"inputs": [tensor(name=3)]}, 'request body, inputs 1: a text under "name"; got none'),
    ({"inputs": [tensor()], "parameters": []}, 'request body: an object under "parameters"; got none'),
    (
        {"inputs": [tensor(datatype="BYTES")]},
        WHERE + 'a datatype out of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, '
        'INT64, FP16, FP32, FP64; got "BYTES"',
    ),
    (
        {"inputs": [tensor(datatype=["FP32"])]},
        WHERE + 'a datatype out of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, '
        "INT64, FP16, FP32, FP64; got \"['FP32']\"",
    ),
    ({"inputs": [tensor(name="\ud800\n", shape=[])]},
     'request body, input "\\ud800\\n": a shape of rows and columns; got []'),
    ({"inputs": [tensor(shape=[-1, 4])]}, WHERE + 'a shape of whole numbers; got another'),
    ({"inputs": [tensor(shape=[8])]}, WHERE + 'a shape of rows and columns; got [8]'),
    ({"inputs": [tensor(shape=[2, 2, 2])]}, WHERE + 'a shape of rows and columns; got [2, 2, 2]'),
    ({"inputs": [tensor(FLAT[1:])]}, WHERE + '8 values, as its shape [2, 4] says; got 7'),
    (
        {"inputs": [tensor(ROWS, [4, 2])]},
        WHERE + 'data of its shape [4, 2], or flat; got [2, 4]',
    ),
    ({"inputs": [tensor(["1"] * 8)]}, WHERE + 'a list of values of FP32; got others'),
    ({"inputs": [tensor([1.5] * 8, datatype="INT8")]}, WHERE + 'a list of values of INT8; got others'),
    ({"inputs": [tensor([None] * 8, datatype="INT8")]}, WHERE + 'a list of values of INT8; got others'),
    ({"inputs": [tensor([200] * 8, datatype="INT8")]}, WHERE + 'values of INT8 in [-128, 127]; got one beyond'),
    ({"inputs": [tensor([[1], [1, 2]])]}, WHERE + 'a flat list, or lists of equal length; got others'),
    ({"inputs": [tensor(3, [1, 1])]}, WHERE + 'a list of values of FP32; got others'),
    ({"inputs": [tensor({"a": 1})]}, WHERE + 'a list of values of FP32; got others'),
    ({"inputs": [{**tensor(), "data": None}]}, WHERE + 'a list of values of FP32; got others'),
    ({"inputs": [tensor(), tensor([1], [1])]}, "request body: inputs with one number of rows; got 1, 2"),
    ({"inputs": [tensor([], [0, 4])]}, "request body: at least one row; got none"),
    ({"inputs": [tensor([1] * 12, [2, 6])]}, "request body: rows of 4 features; got 6"),
    ({"inputs": [tensor([1e300] * 8, datatype="FP64")]},
     "request body: finite numbers, or none where a value is missing; got infinity"),
    ({"inputs": [tensor()], "outputs": [{"name": "label"}]}, 'request body: outputs out of score; got "label"'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_wrong_request_is_400_and_says_why(server, body, message):
    status, answer = infer(server, body)
    assert answer.pop("request_id")
    assert (status, answer) == (400, {"error": message})


def test_model_of_another_name_is_404(server):
    for status, answer in (infer(server, {"inputs": [tensor()]}, "other"), get(server, "/v2/models/other")):
        assert (status, answer["error"]) == (404, 'model "other": the one that is served ("abalone"); got another')


def test_model_without_a_name_is_called_by_its_algorithm(probe_client):
    assert probe_client().get("/v2/models/probe/ready").status_code == 200


def test_model_of_no_fixed_width_describes_what_it_knows(probe_client):
    answer = probe_client().get("/v2/models/probe").get_json()
    assert (answer["inputs"][0]["shape"], answer["outputs"]) == ([-1, -1], [])


def test_body_over_the_limit_is_413(probe_client):
    response = probe_client(MAX_CONTENT_LENGTH="10").post("/v2/models/probe/infer", data=b"x" * 11)
    assert response.status_code == 413


def test_models_of_a_multi_model_endpoint_are_found_by_their_names(tmp_path, abalone):
    environ = {"SAGEMAKER_MULTI_MODEL": "true", "SAGECASK_ALGORITHM": "xgboost", "PYTHONPATH": PROBE["PYTHONPATH"]}
    with serving(tmp_path, environ) as server:
        server.request("POST", "/models", json.dumps({"model_name": "a", "url": str(abalone)}).encode())
        status, answer = infer(server, {"inputs": [tensor()]}, "a")
        assert (status, answer["model_name"]) == (200, "a")
        rows = "\n".join(",".join(map(str, row)) for row in ROWS).encode()
        plain = server.request("POST", "/models/a/invoke", rows, {"Content-Type": "text/csv"})
        np.testing.assert_array_equal(answer["outputs"][0]["data"], [float(x) for x in plain.body.split(b",")])
