"""Instances that are objects, sent to real servers: of one model, of many, and by the Open Inference Protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagecask.testing.server import serving

PLUGIN = {"PYTHONPATH": str(Path(__file__).parent / "records_plugin"), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
JSON, LINES = "application/json", "application/jsonlines"
BASKETS = [{"bread": 3, "salt": 0.5}, {}]
ANSWERS = [
    {"price": 3.5, "names": ["bread", "salt"], "prices": {"bread": 3.0, "salt": 0.5}},
    {"price": 0.0, "names": [], "prices": {}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("one")
    (root / "model").mkdir()
    with serving(root, PLUGIN | {"SAGECASK_ALGORITHM": "basket"}) as server:
        yield server


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """A multi-model endpoint with one model under the name `shop`."""
    root = tmp_path_factory.mktemp("many")
    (root / "shop").mkdir()
    (root / "shop" / "sagecask.json").write_text('{"algorithm": "basket"}')
    with serving(root, PLUGIN | {"SAGEMAKER_MULTI_MODEL": "true", "SAGECASK_ALGORITHM": "basket"}) as server:
        body = json.dumps({"model_name": "shop", "url": str(root / "shop")}).encode()
        assert server.request("POST", "/models", body).status == 200
        yield server


def lines(values) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def tensor(*texts, **more):
    return {"name": "instances", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)} | more


def infer(server, model: str, body: object):
    answer = server.request("POST", f"/v2/models/{model}/infer", json.dumps(body).encode(), {"Content-Type": JSON})
    return answer.status, json.loads(answer.body)


def test_json_is_answered_with_an_object_for_each_instance(server):
    answer = server.invoke(json.dumps({"instances": BASKETS}).encode(), JSON)
    assert (answer.status, json.loads(answer.body)) == (200, {"predictions": ANSWERS})


def test_configuration_reaches_the_model(server):
    body = json.dumps({"instances": BASKETS[:1], "configuration": {"discount": 1}}).encode()
    assert json.loads(server.invoke(body, JSON).body)["predictions"][0]["price"] == 2.5


def test_json_lines_are_answered_with_json_lines(server):
    answer = server.invoke(lines(BASKETS), LINES, LINES)
    assert (answer.status, answer.body) == (200, lines(ANSWERS))


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b'{"instances": [{}, 1]}', JSON, 400, "request body, instance 2: a basket is needed; got another value"),
        (b"{}\n\n2", LINES, 400, "request body, line 3: a basket is needed; got another value"),
        (b'{"baskets": []}', JSON, 415, 'request body: an object with a list under "instances" is needed; got an '
         "object without it"),
        (b"1,2", "text/csv", 415, "request body: a format for instances that are objects is needed; got CSV"),
    ],
)  # fmt: skip
def test_request_that_is_not_what_it_must_be_is_refused(server, body, content_type, status, message):
    answer = server.invoke(body, content_type)
    assert (answer.status, json.loads(answer.body)["error"]) == (status, message)


def test_model_of_a_multi_model_endpoint_is_asked_with_objects(endpoint):
    body = json.dumps({"instances": BASKETS, "configuration": {"discount": 1}}).encode()
    answer = endpoint.request("POST", "/models/shop/invoke", body, {"Content-Type": JSON})
    assert answer.status == 200
    assert [each["price"] for each in json.loads(answer.body)["predictions"]] == [2.5, -1]


def test_protocol_describes_a_model_of_objects(server):
    answer = server.request("GET", "/v2/models/basket")
    assert json.loads(answer.body) == {
        "name": "basket",
        "versions": [],
        "platform": "sagecask",
        "inputs": [{"name": "instances", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [],
    }


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_protocol_takes_instances_as_texts(server, endpoint, shape):
    texts = [json.dumps(each) for each in BASKETS]
    body = {"inputs": [tensor(*texts, shape=shape)], "parameters": {"discount": 1}, "id": "7"}
    outputs = [
        {"name": "price", "datatype": "FP64", "shape": [2], "data": [2.5, -1.0]},
        {"name": "names", "datatype": "BYTES", "shape": [2], "data": ['["bread", "salt"]', "[]"]},
        {"name": "prices", "datatype": "BYTES", "shape": [2], "data": ['{"bread": 3.0, "salt": 0.5}', "{}"]},
    ]
    assert infer(server, "basket", body) == (200, {"model_name": "basket", "outputs": outputs, "id": "7"})
    assert infer(endpoint, "shop", body) == (200, {"model_name": "shop", "outputs": outputs, "id": "7"})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "request body: one input; got 0"),
        ([tensor("{}"), tensor("{}")], "request body: one input; got 2"),
        ([tensor("{}", datatype="FP32")], 'request body, input "instances": the datatype BYTES, whose elements are '
         'instances in JSON; got "FP32"'),
        ([tensor("{}", data=[1])], 'request body, input "instances": a list of texts, one at least; got others'),
        ([tensor()], 'request body, input "instances": a list of texts, one at least; got others'),
        ([tensor("{}", shape=[2])], 'request body, input "instances": the shape [1] of its data; got "[2]"'),
        ([tensor("{}", "{")], "request body, instance 2: JSON is needed; got Expecting property name enclosed in "
         "double quotes: line 1 column 2 (char 1)"),
        ([tensor("\ud800")], "request body, instance 1: JSON is needed; got Expecting value: line 1 column 1 (char 0)"),
        ([tensor("3")], "request body, instance 1: a basket is needed; got another value"),
    ],
)  # fmt: skip
def test_protocol_refuses_other_inputs(server, inputs, message):
    status, body = infer(server, "basket", {"inputs": inputs})
    assert (status, body["error"]) == (400, message)
