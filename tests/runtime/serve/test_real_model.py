"""A real model behind the real server, and arbitrary bytes sent to both."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import Paths, ServingJob
from sagecask.serve.app import create_app
from sagecask.testing.server import launched, serving

xgboost = pytest.importorskip("xgboost", reason="the boosting family is not installed")

ROWS = np.array([[0.5, 2.0, -1.25, 0.0], [1.5, -0.75, 0.25, 3.0]], np.float32)
CONTENT_TYPES = {
    "text/csv": b"0.5,2.0,-1.25,0.0\n1.5,-0.75,0.25,3.0\n",
    "csv": b"0.5,2.0,-1.25,0.0\n1.5,-0.75,0.25,3.0",
    "text/csv; charset=utf-16": "0.5,2.0,-1.25,0.0\n1.5,-0.75,0.25,3.0".encode("utf-16"),
    "text/csv;label_size=1": b"1,0.5,2.0,-1.25,0.0\n0,1.5,-0.75,0.25,3.0\n",
    "text/libsvm": b"0:0.5 1:2.0 2:-1.25 3:0.0\n0:1.5 1:-0.75 2:0.25 3:3.0\n",
    "text/x-libsvm": b"1 0:0.5 1:2.0 2:-1.25 3:0.0\n0 0:1.5 1:-0.75 2:0.25 3:3.0\n",
}
ARBITRARY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a binary classifier of four features, written by the library itself."""
    folder = tmp_path_factory.mktemp("xgboost")
    (folder / "model").mkdir()
    (folder / "model" / "xgboost-model").write_bytes(train().save_raw("ubj"))
    return folder


def train():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 4)).astype(np.float32)
    data = xgboost.DMatrix(features, features[:, 0] > features[:, 1])
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": 0}, data, 10)


@pytest.fixture(scope="module")
def server(root):
    with serving(root, {"SAGECASK_ALGORITHM": "xgboost", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}) as server:
        yield server


@pytest.fixture(scope="module")
def client(root):
    job = ServingJob.read(Paths(root), {})
    algorithm = registry.load("xgboost")
    model = algorithm.load(job.model_dir, InferenceSettings())
    return create_app(job, algorithm, model).test_client()


@pytest.fixture(scope="module")
def expected():
    return train().predict(xgboost.DMatrix(ROWS))


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize(
    ("accept", "answered", "read"),
    [
        (None, "text/csv; charset=utf-8", lambda body: [float(line) for line in body.splitlines()]),
        ("text/csv", "text/csv; charset=utf-8", lambda body: [float(line) for line in body.splitlines()]),
        ("application/json", "application/json", lambda body: [x["score"] for x in json.loads(body)["predictions"]]),
    ],
)
def test_every_content_type_is_answered_as_the_library_predicts(server, expected, content_type, accept, answered, read):
    answer = server.invoke(CONTENT_TYPES[content_type], content_type, accept)
    assert (answer.status, answer.headers["content-type"]) == (200, answered)
    np.testing.assert_array_equal(np.array(read(answer.body), np.float32), expected)


def test_request_without_content_type_is_read_as_the_algorithms_default(server, expected):
    answer = server.invoke(CONTENT_TYPES["text/libsvm"])
    assert [np.float32(line) for line in answer.body.splitlines()] == list(expected)


def test_recordio_protobuf_is_answered(server, expected):
    # formats 1.2 and 2.7: one framed record, features.values = [0.5, 2.0, -1.25, 0.0]
    values = np.array(ROWS[0], "<f4").tobytes()
    record = b"\x0a\x1e\x0a\x06values\x12\x14\x12\x12\x0a\x10" + values
    framed = b"\x0a\x23\xd7\xce" + len(record).to_bytes(4, "little") + record + bytes(-len(record) % 4)
    answer = server.invoke(framed, "application/x-recordio-protobuf")
    assert (answer.status, np.float32(answer.body)) == (200, expected[0])


def test_unreadable_body_gets_the_algorithms_own_status(server):
    answer = server.invoke(b"a,b\n", "text/csv")
    fields = json.loads(answer.body)
    assert answer.status == 415
    assert fields["accepted"] == list(registry.load("xgboost").declaration.inference.content_types)


@pytest.mark.parametrize(
    ("damage", "message"), [(b"", "xgboost-model"), (b"\x00" * 64, "xgboost-model"), (None, "model")]
)
def test_damaged_or_missing_model_ends_the_server_with_1(tmp_path, damage, message):
    (tmp_path / "model").mkdir()
    if damage is not None:
        (tmp_path / "model" / "xgboost-model").write_bytes(damage)
    with launched(tmp_path, {"SAGECASK_ALGORITHM": "xgboost"}) as server:
        assert server.wait() == 1
    last = server.log().splitlines()[-1]
    assert f"ClientError: {tmp_path}/model" in last
    assert message in last
    assert "Traceback" not in server.log()


# what decoders look at first, so that random bytes get further than the first line
SEEDS = st.sampled_from([*CONTENT_TYPES.values(), b"\x0a\x23\xd7\xce\x18\x00\x00\x00\x0a\x16\x0a\x06values"])
BODIES = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="0123456789.,:;- \t\r\n\"'eEnaif{}[]", max_size=200).map(str.encode),
    st.tuples(SEEDS, st.binary(max_size=20), st.integers(0, 60)).map(
        lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
    ),
)
TYPES = st.one_of(
    st.sampled_from([*CONTENT_TYPES, "application/x-recordio-protobuf", "text/csv; charset=utf-7", ""]),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
ACCEPTS = st.one_of(
    st.sampled_from(["", "*/*", "text/csv", "application/json", "application/jsonlines"]),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)


@ARBITRARY
@given(body=BODIES, content_type=TYPES, accept=ACCEPTS)
def test_no_request_ends_in_500_and_every_refusal_is_logged(client, caplog, body, content_type, accept):
    caplog.clear()
    response = client.post("/invocations", data=body, headers={"Content-Type": content_type, "Accept": accept})
    assert response.status_code in {200, 204, 400, 406, 415}
    if response.status_code >= 400:
        answer = response.get_json()
        assert any(answer["request_id"] in record.getMessage() for record in caplog.records)
        assert answer["error"]


@settings(ARBITRARY, max_examples=50)
@given(body=st.binary(min_size=1, max_size=300), content_type=st.sampled_from([*CONTENT_TYPES]))
def test_arbitrary_bytes_leave_the_server_standing(server, body, content_type):
    answer = server.invoke(body, content_type)
    assert answer.status in {200, 400, 415}
    assert server.process.poll() is None


def test_loading_a_model_imports_nothing_of_training(root):
    program = (
        "import json, pathlib, sys\n"
        # the library imports it wherever it is installed; images have none
        "sys.modules['sklearn'] = sys.modules['pandas'] = None\n"
        "import sagecask.serve.server\n"
        "from sagecask import registry\n"
        "from sagecask.algorithm import InferenceSettings\n"
        "from sagecask.formats import MediaType, codec_for, Layout\n"
        "model = registry.load('xgboost').load(pathlib.Path(sys.argv[1]), InferenceSettings())\n"
        "csv = MediaType('text/csv')\n"
        "print(codec_for(csv).encode(model.predict(codec_for(csv).decode(b'1,2,3,4', Layout()), csv)).decode())\n"
        "print(json.dumps([name for name in sys.modules if sys.modules[name]]))"
    )
    done = subprocess.run([sys.executable, "-c", program, root / "model"], check=True, capture_output=True, text=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    training = {"channels", "checkpoints", "cluster", "hyperparameters", "local", "metrics", "train"}
    assert not {f"sagecask.{name}" for name in training} & modules
    assert not {"docker", "pandas", "pyarrow", "pydantic", "sklearn", "requests", "yaml"} & modules
