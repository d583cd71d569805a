"""What /metrics says of real servers, over all of their workers."""

from __future__ import annotations

import os
import re
import signal
import socket
import time

import pytest

from sagecask import __version__
from sagecask.local.ports import free_port
from sagecask.serve.metrics import BUCKETS, Metrics, route_of
from sagecask.testing.server import serving

from .conftest import PROBE

SAMPLE = re.compile(r'([a-z_:]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})?) (\d+(?:\.\d+)?)')
WAIT_SECONDS = 30


def samples(server, port=None):
    """The samples of a scrape, name and labels to value; every line is of the text form."""
    answer = scrape(server, port)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.body.decode())


def scrape(server, port=None):
    own = server.port
    server.port = port or own
    try:
        return server.request("GET", "/metrics")
    finally:
        server.port = own


def read(text):
    found, typed = {}, set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            typed.add(line.split()[2])
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert re.sub("_(bucket|sum|count)$", "", name) in typed
        assert (name, labels) not in found
        found[name + labels] = float(value)
    return found


def eventually(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not (outcome := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return outcome


def answered(seen):
    """Requests so far, without those that only watch."""
    routes = re.compile(r'sagecask_requests_total\{route="(invocations|other)"')
    return sum(count for name, count in seen.items() if routes.match(name))


def test_requests_of_all_workers_are_counted_by_route_status_and_model(probe_root):
    with serving(probe_root, PROBE | {"MODEL_NAME": "abalone"}) as server:
        # the first of them answers before the second has started
        eventually(lambda: len(server.workers()) == 2)
        for _ in range(40):
            server.invoke(b"0,1\n", "text/csv")
        for _ in range(7):
            server.invoke(b"0,1\n", "image/png")
        server.request("GET", "/nowhere")
        server.request("GET", "/elsewhere")
        # a request is counted once its answer has gone out
        seen = eventually(lambda: answered(now := samples(server)) == 49 and now)
    assert seen['sagecask_requests_total{route="invocations",status="200",model="abalone"}'] == 40
    assert seen['sagecask_requests_total{route="invocations",status="415",model="abalone"}'] == 7
    assert seen['sagecask_requests_total{route="other",status="404",model="abalone"}'] == 2
    assert seen['sagecask_request_seconds_count{route="invocations",model="abalone"}'] == 47
    assert seen['sagecask_request_seconds_bucket{route="invocations",model="abalone",le="+Inf"}'] == 47
    assert seen["sagecask_models_loaded"] == 1
    assert seen['sagecask_model_load_seconds{model="abalone"}'] >= 0
    assert seen[f'sagecask_info{{version="{__version__}"}}'] == 1


def test_latency_falls_into_its_bucket(probe_root):
    with serving(probe_root, PROBE) as server:
        server.invoke(b"0.3\n", "text/csv")
        labels = 'route="invocations",model="probe"'
        seen = eventually(lambda: (now := samples(server)).get(f"sagecask_request_seconds_sum{{{labels}}}") and now)
    assert seen[f'sagecask_request_seconds_bucket{{{labels},le="0.25"}}'] == 0
    assert seen[f'sagecask_request_seconds_bucket{{{labels},le="60.0"}}'] == 1
    assert 0.3 <= seen[f"sagecask_request_seconds_sum{{{labels}}}"] < 60


def test_buckets_only_rise():
    metrics = Metrics(model="m")
    for seconds in (0.0001, 0.002, 0.3, 100.0):
        metrics.observe("invocations", 200, seconds)
    seen = read(metrics.exposition())
    counts = [
        seen[f'sagecask_request_seconds_bucket{{route="invocations",model="m",le="{bound}"}}']
        for bound in (*BUCKETS, "+Inf")
    ]
    assert counts == sorted(counts)
    assert (counts[0], counts[-2], counts[-1]) == (1, 3, 4)


def test_counts_outlive_the_worker_that_made_them(probe_root):
    with serving(probe_root, PROBE | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as server:
        counted = 'sagecask_requests_total{route="invocations",status="200",model="probe"}'
        for _ in range(5):
            server.invoke(b"0,1\n", "text/csv")
        eventually(lambda: samples(server).get(counted) == 5)
        [worker] = server.workers()
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: server.workers() not in ([], [worker]))
        server.invoke(b"0,1\n", "text/csv")
        eventually(lambda: samples(server).get(counted) == 6)
        # only the scrape itself
        assert samples(server)["sagecask_requests_in_flight"] == 1


def test_metrics_with_a_port_of_their_own_are_not_on_the_servers(probe_root):
    port = free_port()
    with serving(probe_root, PROBE | {"SAGECASK_METRICS_PORT": str(port)}) as server:
        assert server.request("GET", "/metrics").status == 404
        assert "sagecask_models_loaded" in samples(server, port)
        server.port, own = port, server.port
        assert server.invoke(b"0,1\n", "text/csv").status == 404
        assert server.request("GET", "/ping").status == 404
        server.port = own
        assert server.invoke(b"0,1\n", "text/csv").status == 200


def test_requests_that_no_route_has_are_one(probe_root):
    assert {route_of(path) for path in ("/", "/x", "invocations", "/ping/", "//ping", "/models2")} == {"other"}
    assert route_of("/models") == "models"
    assert route_of("/models/a/b") == "models"
    assert route_of("/models/a/invoke") == "invoke"
    assert route_of("/v2/models/a/infer") == "infer"
    assert route_of("/v2/health/live") == "v2"


def test_labels_cannot_break_their_line():
    metrics = Metrics()
    metrics.observe("invoke", 200, 0.1, 'a"b\\c\nd')
    assert r'{route="invoke",status="200",model="a\"b\\c\nd"}' in metrics.exposition()
    assert read(metrics.exposition())


def test_unloaded_models_are_forgotten():
    metrics = Metrics()
    metrics.observe("invoke", 200, 0.1, "a")
    metrics.observe("infer", 200, 0.1, "a")
    metrics.observe("invoke", 200, 0.1, "b")
    metrics.forget("a")
    assert 'model="a"' not in metrics.exposition()
    assert 'model="b"' in metrics.exposition()


@pytest.mark.parametrize("status", [200, 299])
def test_any_status_is_counted(status):
    metrics = Metrics()
    metrics.observe("other", status, 0.1)
    shown = "other" if status == 299 else str(status)
    assert read(metrics.exposition())[f'sagecask_requests_total{{route="other",status="{shown}"}}'] == 1


def test_what_is_no_http_is_counted(probe_root):
    with serving(probe_root, PROBE) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(b"no http at all\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert samples(server)['sagecask_requests_total{route="other",status="400",model="probe"}'] == 1
