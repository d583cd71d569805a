"""A multi-model endpoint: real models loaded, asked and unloaded by requests."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sagecask import artifact, registry
from sagecask.contract import Paths, ServingJob
from sagecask.serve.invocation import Terms
from sagecask.testing.server import launched, serving

from .conftest import PROBE

MANY = {"PYTHONPATH": PROBE["PYTHONPATH"], "SAGEMAKER_MULTI_MODEL": "true", "SAGECASK_ALGORITHM": "xgboost"}
ROWS = b"0.5,2.0,-1.25,0.0\n1.5,-0.75,0.25,3.0\n"
CSV = {"Content-Type": "text/csv"}
INSTALLED = ", ".join(sorted({*registry.names(), "probe"}))
WAIT_SECONDS = 30
MEBIBYTE = 1024 * 1024


def load(server, name, url):
    return server.request("POST", "/models", json.dumps({"model_name": name, "url": str(url)}).encode())


def invoke(server, name, body=ROWS, **headers):
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return server.request("POST", f"/models/{name}/invoke", body, CSV | named)


def refusal(answer):
    """Status and sentence; the request id must be there."""
    body = json.loads(answer.body)
    assert body["request_id"]
    return answer.status, body["error"]


def eventually(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not (outcome := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return outcome


def probe(folder: Path, text: str = "probe") -> Path:
    """Write a model folder of the probe algorithm, whose manifest says so."""
    folder.mkdir(parents=True)
    (folder / "probe-model").write_text(text)
    (folder / "sagecask.json").write_text('{"algorithm": "probe"}')
    return folder


def resident(server) -> int:
    """Bytes of memory that the worker has, all but files."""
    [worker] = server.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("many"), MANY) as server:
        yield server


@pytest.fixture
def clean(server):
    """The server with no model loaded."""
    yield server
    for entry in json.loads(server.request("GET", "/models").body)["models"]:
        server.request("DELETE", f"/models/{entry['modelName']}")


def test_ping_succeeds_without_a_model(clean):
    assert clean.request("GET", "/ping").status == 200
    assert json.loads(clean.request("GET", "/models").body) == {"models": []}


def test_model_is_loaded_listed_asked_and_unloaded(clean, abalone):
    entry = {"modelName": "a1b2c3", "modelUrl": str(abalone)}
    answer = load(clean, "a1b2c3", abalone)
    assert (answer.status, json.loads(answer.body)) == (200, entry)
    assert json.loads(clean.request("GET", "/models").body) == {"models": [entry]}
    assert json.loads(clean.request("GET", "/models/a1b2c3").body) == entry
    assert invoke(clean, "a1b2c3").status == 200
    assert clean.request("DELETE", "/models/a1b2c3").status == 200
    assert invoke(clean, "a1b2c3").status == 404


def test_second_model_of_a_name_is_409_and_the_first_one_stays(clean, abalone, tmp_path):
    load(clean, "a", abalone)
    assert refusal(load(clean, "a", tmp_path)) == (409, 'model "a": a name that is not loaded; got one that is')
    assert invoke(clean, "a").status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/nothing"),
        ("DELETE", "/models/nothing"),
        ("POST", "/models/nothing/invoke"),
        ("GET", "/v2/models/nothing"),
        ("GET", "/v2/models/nothing/ready"),
        ("POST", "/v2/models/nothing/infer"),
    ],
)
def test_unknown_model_is_404(clean, method, path):
    body = ROWS if method == "POST" else None
    assert refusal(clean.request(method, path, body, CSV)) == (404, 'model "nothing": one that is loaded; got none')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "request body: a JSON object with model_name and url; got Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "request body: a JSON object with the texts model_name and url; got none"),
        (b'{"model_name": "a"}', "request body: a JSON object with the texts model_name and url; got none"),
        (b'{"model_name": 3, "url": "/"}', "request body: a JSON object with the texts model_name and url; got none"),
        (
            b'{"model_name": "a\\n", "url": "/"}',
            "request body: a printable model_name of at most 1024 characters; got another",
        ),
    ],
)
def test_request_to_load_that_says_too_little_is_400(clean, body, message):
    assert refusal(clean.request("POST", "/models", body)) == (400, message)


def test_names_may_hold_slashes_and_odd_characters(clean, abalone):
    assert load(clean, "tabular/v1 ü", abalone).status == 200
    assert invoke(clean, "tabular/v1%20%C3%BC").status == 200
    assert clean.request("DELETE", "/models/tabular/v1%20%C3%BC").status == 200


def test_csv_joins_rows_and_json_is_a_bare_list(clean, abalone):
    load(clean, "a", abalone)
    csv, numbers = invoke(clean, "a"), invoke(clean, "a", Accept="application/json")
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.body.decode() == ",".join(map(str, json.loads(numbers.body)))
    assert len(json.loads(numbers.body)) == 2


@pytest.mark.parametrize("accept", ["application/jsonlines", "image/png"])
def test_any_other_answer_type_is_415(clean, abalone, accept):
    load(clean, "a", abalone)
    answer = invoke(clean, "a", Accept=accept)
    message = f'accept: at least one of text/csv, application/json; got "{accept}"'
    assert refusal(answer) == (415, message)
    assert json.loads(answer.body)["accepted"] == ["text/csv", "application/json"]


@pytest.mark.parametrize(
    ("setting", "limit"),
    [(None, 6 * MEBIBYTE), ("1000", 1000), (str(30 * MEBIBYTE), 20 * MEBIBYTE), ("0", 20 * MEBIBYTE)],
)
def test_limit_of_the_body_is_never_above_20_mib(tmp_path, setting, limit):
    environ = {"SAGEMAKER_MULTI_MODEL": "true"} | ({"MAX_CONTENT_LENGTH": setting} if setting else {})
    job = ServingJob.read(Paths(tmp_path), environ)
    assert Terms.of(job, registry.load("xgboost").declaration.inference).max_body_bytes == limit


def test_body_over_the_limit_is_413(tmp_path, abalone):
    with serving(tmp_path, MANY | {"MAX_CONTENT_LENGTH": "10"}) as server:
        load(server, "a", abalone)
        assert refusal(invoke(server, "a")) == (413, f"request body: at most 10 bytes; got {len(ROWS)}")


def test_archive_is_unpacked_and_what_it_held_is_deleted_with_the_model(tmp_path, abalone):
    archive, scratch = tmp_path / "model.tar.gz", tmp_path / "tmp"
    scratch.mkdir()
    artifact.pack(abalone, archive)
    with serving(tmp_path, MANY | {"TMPDIR": str(scratch)}) as server:
        assert load(server, "a", archive).status == 200
        assert invoke(server, "a").status == 200
        assert len(list(scratch.glob("sagecask-*/unpacked-*/xgboost-model"))) == 1
        assert server.request("DELETE", "/models/a").status == 200
        assert not list(scratch.glob("sagecask-*/unpacked-*"))
    assert not list(scratch.glob("sagecask-*"))


def test_models_of_several_algorithms_answer_side_by_side(clean, abalone, tmp_path):
    load(clean, "trees", abalone)
    load(clean, "probe", probe(tmp_path / "probe"))
    assert invoke(clean, "trees").body.count(b",") == 1
    assert json.loads(invoke(clean, "probe", b"0,7\n").body)["predictions"][0]["score"] == 7.0


DAMAGED = {
    "nothing": (None, "{url}: a folder with a model; got none"),
    "no file": ({}, "{url}: a file xgboost-model; got an empty folder"),
    "an empty file": (
        {"xgboost-model": b""},
        "{url}/xgboost-model: a model of XGBoost in UBJSON, JSON or the binary format of 1.x; got an empty file",
    ),
    "another family": (
        {"sagecask.json": b'{"algorithm": "none-of-these"}'},
        f"{{url}}: a model of an installed algorithm ({INSTALLED}); got one of none-of-these",
    ),
    "a manifest cut short": (
        {"sagecask.json": b"{"},
        "{url}/sagecask.json: a manifest in JSON; "
        "got Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
}


@pytest.mark.parametrize(("files", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_model_is_400_and_harms_no_other(clean, abalone, tmp_path, files, message):
    load(clean, "good", abalone)
    url = tmp_path / "bad"
    if files is not None:
        url.mkdir()
    for name, content in (files or {}).items():
        (url / name).write_bytes(content)
    assert refusal(load(clean, "bad", url)) == (400, message.format(url=url))
    assert clean.request("GET", "/models/bad").status == 404
    assert invoke(clean, "good").status == 200


def test_damaged_archive_is_400(clean, tmp_path):
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b" + bytes(40))
    assert load(clean, "bad", tmp_path / "model.tar.gz").status == 400


def test_library_that_breaks_while_loading_is_500_and_harms_no_other(clean, abalone, tmp_path):
    load(clean, "good", abalone)
    message = "the server failed unexpectedly; its log names the cause under this request_id"
    assert refusal(load(clean, "bad", probe(tmp_path / "bad", "broken"))) == (500, message)
    assert invoke(clean, "good").status == 200


def test_model_that_ends_the_process_is_not_loaded_and_the_others_come_back(tmp_path, abalone):
    with serving(tmp_path, MANY) as server:
        load(server, "good", abalone)
        before = invoke(server, "good").body
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            load(server, "bad", probe(tmp_path / "bad", "fatal"))
        eventually(lambda: "was replaced: 1 models" in server.log())
        assert invoke(server, "good").body == before
        assert server.request("GET", "/models/bad").status == 404
        assert load(server, "good", abalone).status == 409


def test_killed_worker_costs_no_model(tmp_path, abalone):
    with serving(tmp_path, MANY) as server:
        load(server, "a", abalone)
        load(server, "b", abalone)
        server.request("DELETE", "/models/b")
        [worker] = server.workers()
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: server.workers() not in ([], [worker]))
        assert invoke(server, "a").status == 200
        assert invoke(server, "b").status == 404


def test_one_process_has_every_model(clean):
    assert len(clean.workers()) == 1


def test_long_load_holds_up_no_other_model(tmp_path, abalone):
    with launched(tmp_path, MANY) as server:
        server.wait_until_ready()
        loading = threading.Thread(target=lambda: _quietly(load, server, "slow", probe(tmp_path / "slow", "slow")))
        loading.start()
        eventually(lambda: b"sagecask_requests_in_flight 2" in server.request("GET", "/metrics").body)
        assert load(server, "a", abalone).status == 200
        assert invoke(server, "a").status == 200
        assert server.request("DELETE", "/models/a").status == 200
        server.kill()
        loading.join()


def _quietly(work, *arguments):
    try:
        work(*arguments)
    except OSError:
        return


def test_model_in_use_is_unloaded_once_it_has_answered(clean, tmp_path):
    load(clean, "probe", probe(tmp_path / "probe"))
    ended = []
    asking = threading.Thread(target=lambda: ended.append(invoke(clean, "probe", b"1,2\n").status))
    asking.start()
    eventually(lambda: b"sagecask_requests_in_flight 2" in clean.request("GET", "/metrics").body)
    assert clean.request("DELETE", "/models/probe").status == 200
    assert ended == [200]
    asking.join()


def test_listing_comes_in_pages(clean, tmp_path):
    url = probe(tmp_path / "probe")
    names = [f"m{number:03}" for number in range(103)]
    for name in names:
        assert load(clean, name, url).status == 200
    seen, token, sizes = [], "", []
    while True:
        page = json.loads(clean.request("GET", f"/models?next_page_token={token}").body)
        seen += [entry["modelName"] for entry in page["models"]]
        sizes.append(len(page["models"]))
        token = page.get("nextPageToken")
        if token is None:
            break
        # what goes meanwhile shifts no page
        clean.request("DELETE", f"/models/{seen[0]}")
    assert (seen, sizes) == (names, [100, 3])


def test_page_token_that_no_answer_held_is_400(clean):
    message = "next_page_token: one that an answer of GET /models held; got another"
    assert refusal(clean.request("GET", "/models?next_page_token=%C3%BC%C3%BC")) == (400, message)


def test_model_over_the_memory_is_507_and_harms_no_other(tmp_path, abalone):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    with serving(tmp_path, MANY | {"SAGECASK_MEMORY_RESERVE_MB": str(2 * machine)}) as server:
        status, message = refusal(load(server, "a", abalone))
        assert (status, message) == (507, 'model "a": 0.1 MB of memory to load it; got 0.0 MB above the reserve')
        assert server.request("GET", "/ping").status == 200


def test_model_over_their_number_is_507(tmp_path, abalone):
    with serving(tmp_path, MANY | {"SAGECASK_MAX_MODELS": "1"}) as server:
        load(server, "a", abalone)
        assert refusal(load(server, "b", abalone)) == (507, 'model "b": at most 1 models in memory; got one more')
        assert invoke(server, "a").status == 200
        server.request("DELETE", "/models/a")
        assert load(server, "b", abalone).status == 200


def test_model_not_asked_for_longest_makes_room_and_is_read_again(tmp_path, abalone):
    with serving(tmp_path, MANY | {"SAGECASK_MAX_MODELS": "2", "SAGECASK_EVICT_MODELS": "true"}) as server:
        load(server, "a", abalone)
        load(server, "b", abalone)
        expected = invoke(server, "a").body
        assert load(server, "c", abalone).status == 200
        assert "model b: given up for c, not asked for longest" in server.log()
        assert b"sagecask_models_loaded 2" in server.request("GET", "/metrics").body
        assert len(json.loads(server.request("GET", "/models").body)["models"]) == 3
        assert invoke(server, "b").body == expected
        assert "model a: given up for b, not asked for longest" in server.log()


def test_target_model_and_trace_are_in_the_log(tmp_path, abalone):
    with serving(tmp_path, MANY | {"SAGECASK_LOG_FORMAT": "json"}) as server:
        load(server, "a1b2", abalone)
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        invoke(server, "a1b2", X_Amzn_SageMaker_Target_Model="houses/\nnew.tar.gz".replace("\n", ""), traceparent=trace)
    entries = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    [entry] = [each for each in entries if each.get("path") == "/models/a1b2/invoke"]
    assert entry["target_model"] == "houses/new.tar.gz"
    assert entry["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert entry["request_id"]


@pytest.fixture(scope="module")
def heavy(tmp_path_factory):
    """A model folder of several megabytes."""
    xgboost = pytest.importorskip("xgboost", reason="the boosting family is not installed")
    random = np.random.default_rng(0)
    features = random.normal(size=(4000, 4)).astype(np.float32)
    data = xgboost.DMatrix(features, random.normal(size=4000))
    booster = xgboost.train({"max_depth": 9, "nthread": 2, "eta": 0.01}, data, 80)
    folder = tmp_path_factory.mktemp("heavy") / "model"
    folder.mkdir()
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    yield folder
    shutil.rmtree(folder)


def cycle(server, url) -> None:
    assert load(server, "a", url).status == 200
    assert invoke(server, "a").status == 200
    assert server.request("DELETE", "/models/a").status == 200


def test_memory_is_back_when_the_model_is_unloaded(tmp_path, abalone, heavy):
    with serving(tmp_path, MANY) as server:
        for _ in range(3):
            cycle(server, heavy)
        before = resident(server)
        load(server, "a", heavy)
        invoke(server, "a")
        loaded = resident(server)
        server.request("DELETE", "/models/a")
        after = resident(server)
    assert loaded - before > (heavy / "xgboost-model").stat().st_size
    assert after - before < 0.1 * (loaded - before)


def settled(server, url, cycles) -> int:
    """Least memory over some cycles: what threads keep for their next allocation comes and goes by a megabyte."""
    seen = []
    for _ in range(cycles):
        cycle(server, url)
        seen.append(resident(server))
    return min(seen)


@pytest.mark.parametrize(
    ("window", "cycles", "growth"), [(20, 40, 0.05), pytest.param(100, 1000, 0.01, marks=pytest.mark.soak)]
)
def test_cycles_of_loading_and_unloading_leave_no_memory_behind(tmp_path, heavy, window, cycles, growth):
    with serving(tmp_path, MANY) as server:
        # in the first of them the caches of libraries and the few heaps are filled
        settled(server, heavy, window)
        before = settled(server, heavy, window)
        for _ in range(cycles - window):
            cycle(server, heavy)
        after = settled(server, heavy, window)
    assert after < before * (1 + growth)
