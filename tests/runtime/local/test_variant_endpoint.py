"""Endpoints of several models behind a real nginx, asked over HTTP."""

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sagecask.errors import UsageError
from sagecask.local.description import JobDescription, LocalChannel
from sagecask.local.endpoint import EndpointDescription, serving
from sagecask.local.front import FOLDERS, installed
from sagecask.local.run import run

COMMAND = [sys.executable, "-m", "sagecask.cli", "endpoint"]
CSV = {"Content-Type": "text/csv"}
UP, DOWN = b"0.9,0.9", b"-0.9,-0.9"


def has_nginx() -> bool:
    try:
        installed(os.pathsep.join([os.environ["PATH"], *FOLDERS]))
    except UsageError:
        return False
    return True


needs_nginx = pytest.mark.skipif(not has_nginx(), reason="nginx and its module njs are not installed")


@dataclass
class Served:
    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    def post(self, body: bytes, path: str = "/invocations", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                "POST", path, body, CSV | {name.replace("_", "-"): each for name, each in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.log):
                if found := re.search(pattern, line):
                    return found
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        raise AssertionError(f"no line with {pattern} in {self.log}")


@contextmanager
def served(arguments: list[str], port: int, folder: Path):
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--port", str(port)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    endpoint = Served(port, process)

    def follow() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                endpoint.log.append(line.rstrip("\n"))

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        endpoint.wait_for("stop with Ctrl-C")
        yield endpoint
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, endpoint.log
    finally:
        # its servers and nginx end with it, unless it is killed
        process.terminate()
        process.wait(60)
        thread.join()


def train(folder: Path, rows: str) -> Path:
    (folder / "rows.csv").write_text(rows)
    job = JobDescription(
        "xgboost",
        {"train": LocalChannel(folder / "rows.csv", "text/csv")},
        {"num_round": "5", "objective": "binary:logistic"},
        output=folder / "out",
    )
    assert run(job, "process", {"PATH": "/usr/bin:/bin"}, terminal=False) == 0
    return folder / "out" / "model"


@pytest.fixture(scope="module")
def contrary(tmp_path_factory) -> Path:
    """A model that says the opposite of `trained`."""
    points = [(a / 10, b / 10) for a in range(-10, 11) for b in range(-10, 11)]
    rows = "".join(f"{int(a + b <= 0)},{a},{b}\n" for a, b in points)
    return train(tmp_path_factory.mktemp("contrary"), rows)


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Path:
    """A model of one feature, the answer of another."""
    rows = "".join(f"{int(each < 50)},{each / 100}\n" for each in range(100))
    return train(tmp_path_factory.mktemp("second"), rows)


def alone(model: Path, environ, body: bytes) -> bytes:
    with serving(EndpointDescription(model), "process", environ, print, threading.Event()) as endpoint:
        return Served(endpoint.port, None).post(body)[2]  # type: ignore[arg-type]


@needs_nginx
def test_models_in_series_answer_as_one_after_the_other(tmp_path, trained, second, environ, free_port):
    body = UP + b"\n" + DOWN + b"\n"
    expected = alone(second, environ, alone(trained / "model", environ, body))
    with served([str(trained / "model.tar.gz"), str(second)], free_port, tmp_path) as endpoint:
        status, headers, answer = endpoint.post(body, X_Amzn_SageMaker_Custom_Attributes="a=b")
        ports = {
            name: found for name in ("1", "2") if (found := endpoint.wait_for(rf"container-{name}: .*port (\d+)")[1])
        }
        refused = endpoint.post(b"0.9,word")
        large = endpoint.post(b"0,0\n" * 400_000)
    assert (status, answer) == (200, expected)
    assert headers["content-type"].startswith("text/csv")
    assert headers["x-amzn-invoked-production-variant"] == "AllTraffic"
    assert "8080" not in ports.values()
    assert ports["1"] != ports["2"]
    content = json.loads(refused[2])
    assert (refused[0], refused[1]["x-amzn-errortype"], content["OriginalStatusCode"]) == (424, "ModelError", 415)
    assert content["Message"].startswith("container container-1: the answer must be a success; got 415: ")
    assert large[0] == 424
    assert re.fullmatch(
        r"container container-1: the answer must be a success; got 200: "
        r"must answer with at most 5242880 bytes to the next container; got [5-9]\d{6}",
        json.loads(large[2])["Message"],
    )


@needs_nginx
def test_type_between_containers_is_the_earlier_ones_default(tmp_path, trained, second, free_port):
    (tmp_path / "chain.yaml").write_text(
        json.dumps(
            {
                "production_variants": [
                    {
                        "name": "only",
                        "containers": [
                            {
                                "model": str(trained / "model"),
                                "hostname": "first",
                                "environment": {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines"},
                            },
                            {"model": str(second), "hostname": "second"},
                        ],
                    }
                ]
            }
        )
    )
    with served(["--config", "chain.yaml"], free_port, tmp_path) as endpoint:
        status, _, answer = endpoint.post(UP, Accept="text/csv")
    content = json.loads(answer)
    assert (status, content["OriginalStatusCode"]) == (424, 415)
    assert content["Message"].startswith("container second: ")
    assert "application/jsonlines" in content["Message"]


def variants(trained: Path, contrary: Path, weights: tuple[float, float], **more) -> str:
    return json.dumps(
        {
            "production_variants": [
                {"name": "blue", "model": str(trained / "model"), "initial_weight": weights[0]},
                {"name": "green", "model": str(contrary), "initial_weight": weights[1]},
            ],
            "timeout_seconds": 2,
            **more,
        }
    )


@needs_nginx
def test_traffic_is_split_by_weight_and_goes_where_it_is_sent(tmp_path, trained, contrary, free_port):
    (tmp_path / "e.yaml").write_text(variants(trained, contrary, (3, 1)))
    with served(["--config", "e.yaml"], free_port, tmp_path) as endpoint:
        split = Counter(endpoint.post(UP)[1]["x-amzn-invoked-production-variant"] for _ in range(400))
        sent = [endpoint.post(UP, X_Amzn_SageMaker_Target_Variant=name) for name in ("blue", "green", "red")]
        as_the_platform = endpoint.post(UP, path="/endpoints/e/invocations")
    # 300 expected, with a standard deviation of 8.7
    assert split["blue"] + split["green"] == 400
    assert 250 < split["blue"] < 350
    assert [(status, headers.get("x-amzn-invoked-production-variant")) for status, headers, _ in sent] == [
        (200, "blue"), (200, "green"), (400, None)]  # fmt: skip
    assert float(sent[0][2]) > 0.5 > float(sent[1][2])
    assert json.loads(sent[2][2]) == {"Message": 'target variant: must be among blue, green; got "red"'}
    assert as_the_platform[0] == 200


def captured(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]


@needs_nginx
def test_capture_has_the_documented_form_and_shadows_are_only_captured(tmp_path, trained, contrary, free_port):
    about = {
        "production_variants": [{"name": "blue", "model": str(trained / "model")}],
        "shadow_variants": [{"name": "dark", "model": str(contrary)}],
        "data_capture": {"folder": "kept", "csv_content_types": ["text/csv"]},
    }
    (tmp_path / "e.yaml").write_text(json.dumps(about))
    with served(["--config", "e.yaml"], free_port, tmp_path) as endpoint:
        headers = {"X_Amzn_SageMaker_Inference_Id": "42", "X_Amzn_SageMaker_Custom_Attributes": "a=b"}
        first = endpoint.post(UP, **headers)
        libsvm = endpoint.post(b"0:0.9 1:0.9", Content_Type="text/libsvm")
        assert endpoint.post(b"word")[0] == 424
        deadline = time.monotonic() + 30
        while len(captured(tmp_path / "kept" / "e" / "dark")) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert first[1]["x-amzn-invoked-production-variant"] == "blue"
    kept = captured(tmp_path / "kept" / "e" / "blue")
    seen, other = sorted(kept, key=lambda event: "inferenceId" not in event["eventMetadata"])
    event = seen["eventMetadata"]
    event_id = event.pop("eventId")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("inferenceTime"))
    assert seen == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": UP.decode(),
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": first[2].decode(),
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"inferenceId": "42", "customAttributes": ["a=b"]},
        "eventVersion": "0",
    }
    assert other["captureData"]["endpointInput"] == {
        "observedContentType": "text/libsvm",
        "mode": "INPUT",
        "data": base64.b64encode(b"0:0.9 1:0.9").decode(),
        "encoding": "BASE64",
    }
    assert libsvm[0] == 200
    # requests and what shadows make of them have one identifier
    dark = {each["eventMetadata"]["eventId"]: each for each in captured(tmp_path / "kept" / "e" / "dark")}
    assert float(dark[event_id]["captureData"]["endpointOutput"]["data"]) < 0.5 < float(first[2])
    for path in (tmp_path / "kept").rglob("*.jsonl"):
        assert re.fullmatch(
            r"e/(blue|dark)/\d{4}/\d\d/\d\d/\d\d/[\w-]+\.jsonl", str(path.relative_to(tmp_path / "kept"))
        )


@needs_nginx
def test_capture_keeps_its_share_and_its_sides_in_files_of_a_size(tmp_path, trained, free_port):
    about = {
        "production_variants": [{"name": "blue", "model": str(trained / "model")}],
        "data_capture": {"folder": "kept", "sampling_percentage": 25, "capture": ["Output"], "max_file_mb": 0.001},
    }
    (tmp_path / "e.yaml").write_text(json.dumps(about))
    with served(["--config", "e.yaml"], free_port, tmp_path) as endpoint:
        assert {endpoint.post(UP)[0] for _ in range(400)} == {200}
    kept = captured(tmp_path / "kept")
    assert {tuple(each["captureData"]) for each in kept} == {("endpointOutput",)}
    # 100 expected, with a standard deviation of 8.7
    assert 50 < len(kept) < 150
    sizes = [path.stat().st_size for path in (tmp_path / "kept").rglob("*.jsonl")]
    assert len(sizes) > 10
    assert max(sizes) < 2048


@dataclass
class Load:
    """Clients that ask without a pause, each on one connection."""

    port: int
    failures: list[str] = field(default_factory=list)
    answers: list[tuple[float, str, bool]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self.threads = [threading.Thread(target=self.ask) for _ in range(6)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stopped.is_set():
            try:
                connection.request("POST", "/invocations", UP, CSV)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self.failures.append(f"{answer.status} {body!r}")
                continue
            variant = answer.headers["x-amzn-invoked-production-variant"]
            self.answers.append((time.monotonic(), variant, float(body) > 0.5))
        connection.close()

    def during(self, command: list[str]) -> tuple[float, float]:
        """Run a command; return when it began, and a time after which no request that was under way is left."""
        began = time.monotonic()
        subprocess.run(command, check=True, timeout=60)
        self.wait_for_answers(2 * len(self.threads))
        return began, time.monotonic()

    def wait_for_answers(self, count: int) -> None:
        goal = len(self.answers) + count
        deadline = time.monotonic() + 60
        while len(self.answers) < goal and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.answers) >= goal


@needs_nginx
@pytest.mark.alone
def test_weights_and_models_change_under_load_without_a_failed_request(tmp_path, trained, contrary, free_port):
    config = tmp_path / "e.yaml"
    config.write_text(variants(trained, contrary, (1, 0)))
    update = [*COMMAND, "--config", str(config), "--update"]
    with served(["--config", str(config)], free_port, tmp_path) as endpoint, Load(free_port) as load:
        load.wait_for_answers(200)
        config.write_text(variants(trained, contrary, (0, 1)))
        weights = load.during(update)
        load.wait_for_answers(200)
        # the model of green becomes that of blue, in a server of its own
        config.write_text(variants(trained, trained / "model", (0, 1)))
        model = load.during(update)
        endpoint.wait_for("green, container-1: .*Shutting down")
        load.wait_for_answers(200)
        config.write_text(variants(trained, tmp_path / "none", (0, 1)))
        refused = subprocess.run(update, check=False, timeout=60, capture_output=True, text=True)
        load.wait_for_answers(200)
    assert load.failures == []
    assert {each[1:] for each in load.answers if each[0] < weights[0]} == {("blue", True)}
    assert {each[1:] for each in load.answers if weights[1] < each[0] < model[0]} == {("green", False)}
    assert {each[1:] for each in load.answers if model[1] < each[0]} == {("green", True)}
    assert (refused.returncode, refused.stderr) == (
        1,
        "sagecask: the endpoint stays as it was: endpoint: the model must be a folder or an archive; "
        f'got "{tmp_path}/none", which does not exist\n',
    )


@needs_nginx
def test_killed_server_is_routed_around_and_replaced(tmp_path, trained, free_port):
    about = {"production_variants": [{"name": "blue", "model": str(trained / "model"), "instances": 2}]}
    (tmp_path / "e.yaml").write_text(json.dumps(about))
    with served(["--config", "e.yaml"], free_port, tmp_path) as endpoint, Load(free_port) as load:
        pid = int(endpoint.wait_for(r"Listening at: .* \((\d+)\)")[1])
        load.wait_for_answers(100)
        os.killpg(pid, signal.SIGKILL)
        endpoint.wait_for("blue: a server has ended and is started anew")
        load.wait_for_answers(500)
    assert load.failures == []


@needs_nginx
def test_port_stays_and_a_second_process_is_refused(tmp_path, trained, free_port):
    config = tmp_path / "e.yaml"
    about = {"production_variants": [{"name": "blue", "model": str(trained / "model")}]}
    config.write_text(json.dumps(about))
    with served(["--config", str(config)], free_port, tmp_path):
        second = subprocess.run(
            [*COMMAND, "--config", str(config)], check=False, timeout=60, capture_output=True, text=True
        )
        config.write_text(json.dumps({**about, "timeout_seconds": 5}))
        changed = subprocess.run(
            [*COMMAND, "--config", str(config), "--update"], check=False, timeout=60, capture_output=True, text=True
        )
    assert (second.returncode, second.stderr) == (
        2,
        f"sagecask: {config}: must be served by one process; got another that serves it\n",
    )
    assert (changed.returncode, changed.stderr) == (
        1,
        "sagecask: the endpoint stays as it was: "
        "endpoint: name, port, timeout_seconds and max_payload_mb must stay while it runs; got others\n",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.yaml"]


def test_update_of_what_is_not_served_is_refused(tmp_path):
    (tmp_path / "e.yaml").write_text("production_variants: [{name: a, model: m}]")
    done = subprocess.run(
        [*COMMAND, "--config", "e.yaml", "--update"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        "sagecask: e.yaml: must be served by `sagecask endpoint --config`; got no process that serves it\n",
    )


def test_machine_without_nginx_is_told_what_to_install(tmp_path):
    with pytest.raises(UsageError) as caught:
        installed(str(tmp_path))
    assert str(caught.value) == (
        "endpoint: several models or variants need nginx and its module njs; got no nginx; "
        "on Debian `apt-get install nginx libnginx-mod-http-js` brings both"
    )
