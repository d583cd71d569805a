"""The server in the image of XGBoost, seen from outside."""

import csv
import io
import json
import time
from contextlib import contextmanager

import numpy as np
import pytest
import xgboost

from sagecask.formats import Batch
from sagecask.formats.framing import records
from sagecask.formats.record_pb2 import Record
from sagecask.formats.recordio import write
from sagecask.testing.container import Executed, TrackedContainer, mounted

pytestmark = pytest.mark.image

# how a refused request stands in the log
REFUSED = r"[\d:, -]+ WARNING \S+: request \S+: status 4\d\d: .*"
PROCESSES = (
    "import pathlib\n"
    "for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):\n"
    "    name, state, parent = stat.read_text().rpartition(')')[0], *stat.read_text().rpartition(')')[2].split()[:2]\n"
    "    print(stat.parent.name, parent, state)\n"
)
MAX_BODY_BYTES = 6 * 1024 * 1024


@contextmanager
def serving(image, job, expected=(), **options):
    """A server that has answered its first ping."""
    options.setdefault("volumes", mounted(job.root, "ro"))
    with TrackedContainer(image, "serve", expected=expected, **options) as container:
        container.wait_until_ready()
        yield container


@pytest.fixture(scope="module")
def server(image, trained):
    """One server for the tests that leave it as it was."""
    with serving(image, trained, expected=(REFUSED,)) as container:
        yield container


@pytest.fixture(scope="session")
def features(rows):
    """Feature rows, rounded as `csv` writes them, float32 (3, 5)."""
    return np.asarray([[f"{value:.6g}" for value in row] for row in rows[:3, 1:]], dtype=np.float32)


@pytest.fixture(scope="session")
def scores(trained, features):
    """What xgboost itself answers with the model file."""
    # as bytes: a file name without an ending makes xgboost warn
    booster = xgboost.Booster(model_file=bytearray((trained.paths.model / "xgboost-model").read_bytes()))
    return booster.inplace_predict(features)


def as_csv(features) -> bytes:
    return "\n".join(",".join(f"{value:.6g}" for value in row) for row in features).encode()


def as_libsvm(features) -> bytes:
    return "\n".join(" ".join(f"{i}:{value:.6g}" for i, value in enumerate(row)) for row in features).encode()


def as_recordio(features) -> bytes:
    return write(Batch(features))


REQUESTS = {
    "text/csv": as_csv,
    "csv": as_csv,
    "text/csv; label_size=0; charset=utf-8": as_csv,
    "text/libsvm": as_libsvm,
    "text/x-libsvm": as_libsvm,
    "libsvm": as_libsvm,
    "application/x-recordio-protobuf": as_recordio,
    "recordio-protobuf": as_recordio,
}


def from_csv(body: bytes) -> list[float]:
    return [float(value) for row in csv.reader(io.StringIO(body.decode())) for value in row]


def from_json(body: bytes) -> list[float]:
    return [entry["score"] for entry in json.loads(body)["predictions"]]


def from_jsonlines(body: bytes) -> list[float]:
    return [json.loads(line)["score"] for line in body.splitlines()]


def from_recordio(body: bytes) -> list[float]:
    return [
        Record.FromString(payload).label["score"].float32_tensor.values[0] for payload in records(io.BytesIO(body), "")
    ]


ANSWERS = {
    "text/csv": from_csv,
    "application/json": from_json,
    "application/jsonlines": from_jsonlines,
    "application/x-recordio-protobuf": from_recordio,
}


@pytest.mark.parametrize("content_type", REQUESTS)
@pytest.mark.parametrize("accept", ANSWERS)
def test_every_content_type_gets_every_answer(server, features, scores, content_type, accept):
    answer = server.invoke(REQUESTS[content_type](features), content_type, accept)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].partition(";")[0] == accept
    # the answer has at least the seven digits of a float32
    np.testing.assert_allclose(ANSWERS[accept](answer.body), scores, rtol=1e-6)


@pytest.mark.parametrize("accept", [None, "*/*", "text/html, text/csv;q=0.5", "text/*"])
def test_accept_is_settled_as_clients_send_it(server, features, scores, accept):
    answer = server.invoke(as_csv(features), "text/csv", accept)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    np.testing.assert_allclose(from_csv(answer.body), scores, rtol=1e-6)


REFUSALS = {
    "header row": ("POST", "/invocations", b"a,b,c,d,e\n1,2,3,4,5", "text/csv", None, 415),
    "ragged row": ("POST", "/invocations", b"1,2,3,4,5\n1,2", "text/csv", None, 415),
    "too wide": ("POST", "/invocations", b"1,2,3,4,5,6,7", "text/csv", None, 400),
    "bad libsvm": ("POST", "/invocations", b"0:1 x:2", "text/libsvm", None, 415),
    "cut recordio": (
        "POST",
        "/invocations",
        as_recordio(np.ones((1, 5), np.float32))[:-3],
        "application/x-recordio-protobuf",
        None,
        415,
    ),
    "arbitrary bytes": ("POST", "/invocations", bytes(range(256)) * 64, "text/csv", None, 415),
    "unknown content type": ("POST", "/invocations", b"<x/>", "text/xml", None, 415),
    "unknown accept": ("POST", "/invocations", b"1,2,3,4,5", "text/csv", "image/png", 406),
    "wrong method": ("GET", "/invocations", None, "text/csv", None, 405),
    "too large": ("POST", "/invocations", b"1" * (MAX_BODY_BYTES + 1), "text/csv", None, 413),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_answered_is_refused_and_the_server_goes_on(server, features, scores, case):
    method, path, body, content_type, accept, status = REFUSALS[case]
    headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
    answer = server.request(method, path, body, headers)
    assert answer.status == status, answer.body
    said = json.loads(answer.body)
    assert said["error"]
    assert said["request_id"] in server.log
    if status in {405, 406}:
        assert said["accepted"]
    assert server.request("GET", "/ping").status == 200
    np.testing.assert_allclose(from_csv(server.invoke(as_csv(features), "text/csv").body), scores, rtol=1e-6)


@pytest.mark.parametrize("_again", range(5))
def test_a_body_over_the_limit_is_refused_with_limit_and_size(server, _again):
    answer = server.invoke(b"1" * (MAX_BODY_BYTES + 1), "text/csv")
    assert json.loads(answer.body)["error"] == f"request body: at most {MAX_BODY_BYTES} bytes; got {MAX_BODY_BYTES + 1}"


def test_pings_leave_no_line_in_the_log(server):
    server.request("GET", "/ping")
    assert "/ping" not in server.log


def processes(container) -> dict[int, tuple[int, str]]:
    """Return the container's processes: id to parent's id and state."""
    listed = container.run("/opt/sagecask/bin/python", "-IS", "-c", PROCESSES).output
    return {int(pid): (int(parent), state) for pid, parent, state in map(str.split, listed.splitlines())}


def workers(container) -> set[int]:
    return {pid for pid, (parent, _) in processes(container).items() if parent == 1}


def test_a_killed_worker_is_replaced_and_leaves_no_zombie(image, trained, features):
    lost = r"[\d:, -]+ (WARNING|ERROR) \S+: .*(SIGKILL|killed|signal 9).*"
    with serving(image, trained, expected=(lost,)) as container:
        before = workers(container)
        victim = min(before)
        assert container.run("sh", "-c", f"kill -9 {victim}").code == 0
        deadline = time.monotonic() + 20
        while len(workers(container) - {victim}) < len(before):
            assert time.monotonic() < deadline, container.log
            time.sleep(0.05)
        for _ in range(8):
            assert container.invoke(as_csv(features), "text/csv").status == 200
        assert [pid for pid, (_, state) in processes(container).items() if state == "Z"] == []


@pytest.mark.parametrize("state", ["idle", "starting"])
def test_docker_stop_ends_the_server_with_0_within_10_seconds(image, trained, state):
    with TrackedContainer(image, "serve", volumes=mounted(trained.root, "ro")) as container:
        if state == "idle":
            container.wait_until_ready()
        else:
            container.wait_until_stoppable()
        started = time.monotonic()
        container.container.stop(timeout=10)
        assert time.monotonic() - started < 10
        assert container.state["ExitCode"] == 0


def test_a_hardened_container_serves_on_the_port_it_is_given(image, trained, features, scores):
    hardened = {
        "user": "4321:0", "read_only": True, "tmpfs": {"/tmp": ""}, "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"], "network_mode": "none", "volumes": mounted(trained.root, "ro"),
        "environment": {"SAGEMAKER_BIND_TO_PORT": "9123"},
    }  # fmt: skip
    ask = (
        "import urllib.request as u\n"
        f"r = u.Request('http://127.0.0.1:9123/invocations', {as_csv(features)!r}, {{'Content-Type': 'text/csv'}})\n"
        "print(u.urlopen(r).read().decode())"
    )
    with TrackedContainer(image, "serve", **hardened) as container:
        container.wait_for_log("Booting worker")
        healthy = container.container.attrs["Config"]["Healthcheck"]["Test"][1:]
        deadline = time.monotonic() + 30
        while container.run(*healthy) != Executed(0, ""):
            assert time.monotonic() < deadline, container.log
        np.testing.assert_allclose(
            from_csv(container.run("python", "-c", ask).output.strip().encode()), scores, rtol=1e-6
        )


def test_a_server_that_does_not_answer_is_unhealthy(image, trained):
    with serving(image, trained, environment={"SAGEMAKER_BIND_TO_PORT": "8080"}) as container:
        check = container.container.attrs["Config"]["Healthcheck"]["Test"][1:]
        assert container.run(*check) == Executed(0, "")
        elsewhere = container.run("env", "SAGEMAKER_BIND_TO_PORT=8099", *check)
        assert elsewhere == Executed(1, "")


def test_a_server_without_a_model_says_so_and_ends(image, tmp_path):
    message = "ClientError: "
    with TrackedContainer(image, "serve", expected=(".*",), volumes=mounted(tmp_path)) as container:
        assert container.wait(30) == 1
        assert message in container.log


def test_json_logs_are_one_object_a_line(image, trained, features):
    with serving(image, trained, environment={"SAGECASK_LOG_FORMAT": "json"}) as container:
        container.invoke(as_csv(features), "text/csv")
        container.container.stop()
        entries = [json.loads(line) for line in container.log.splitlines()]
    assert {"ts", "level", "logger", "msg"} <= set.intersection(*(set(entry) for entry in entries))


def test_the_first_ping_succeeds_soon_after_the_start(image, trained, capsys):
    seconds = []
    for _ in range(3):
        with TrackedContainer(image, "serve", volumes=mounted(trained.root, "ro")) as container:
            seconds.append(container.wait_until_ready())
    with capsys.disabled():
        print(f"\nfrom start to the first /ping 200: {', '.join(f'{value:.2f} s' for value in sorted(seconds))}")


def test_the_image_keeps_to_its_budget(image):
    with TrackedContainer(image, "--version") as container:
        assert container.wait() == 0
        size = container.container.image.attrs["Size"]
    # the wheel for GPUs and NCCL, which it comes with, are 700 MB alone
    assert size <= (600e6 if image.endswith(":cpu") else 1_250e6)
