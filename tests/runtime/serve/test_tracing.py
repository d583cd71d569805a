"""Identifiers of requests and traces."""

from __future__ import annotations

import json
import logging

import pytest

from sagecask.serve.tracing import trace_id
from sagecask.testing.server import serving

from .conftest import PROBE

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize("header", [PARENT, f"  {PARENT} ", f"01-{TRACE}-b7ad6b7169203331-01-more", PARENT[:-2] + "00"])
def test_trace_of_a_valid_parent_is_known(header):
    assert trace_id({"HTTP_TRACEPARENT": header}) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        PARENT.upper(),
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"00-{TRACE}-b7ad6b7169203331",
        f"{PARENT}\nforged",
    ],
)
def test_invalid_parent_is_ignored(header):
    assert trace_id({"HTTP_TRACEPARENT": header}) is None


def test_refusal_and_its_log_line_name_the_trace(probe_client, caplog):
    response = probe_client().get("/nowhere", headers={"traceparent": PARENT})
    assert response.get_json()["trace_id"] == TRACE
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert vars(record)["trace_id"] == TRACE


def test_request_without_a_trace_names_none(probe_client):
    assert "trace_id" not in probe_client().get("/nowhere").get_json()


def test_log_line_of_a_request_names_it_in_json(probe_root):
    with serving(probe_root, PROBE | {"SAGECASK_LOG_FORMAT": "json"}) as server:
        headers = {"Content-Type": "text/csv", "traceparent": PARENT, "X-Request-Id": "r-1"}
        assert server.request("POST", "/invocations", b"0,1\n", headers).status == 200
    entries = [json.loads(line) for line in server.log().splitlines()]
    [entry] = [each for each in entries if each.get("path") == "/invocations"]
    assert (entry["request_id"], entry["trace_id"], entry["status"]) == ("r-1", TRACE, 200)
