"""Requests and answers kept as files: a server over the named model answers each request byte for byte.

`payloads/<algorithm>/<case>/` holds `exchange.json` (model, environment, headers, status and answer type), `request.*`
and, where the answer has a body, `response.*`; `payloads/<algorithm>/models/<model>/` is a model folder.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sagecask.testing.server import Server, serving

PAYLOADS = Path(__file__).parent / "payloads"
CASES = sorted(path.parent for path in PAYLOADS.glob("*/*/exchange.json"))


class Servers:
    """One running server for each model and environment that cases ask for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._running: dict[str, Server] = {}

    def of(self, case: Path, exchange: dict[str, Any]) -> Server:
        algorithm, environment = case.parent.name, exchange.get("environment", {})
        key = json.dumps([algorithm, exchange["model"], environment], sort_keys=True)
        if key not in self._running:
            root = self._folder / str(len(self._running))
            shutil.copytree(case.parent / "models" / exchange["model"], root / "model")
            one_worker = {"SAGECASK_ALGORITHM": algorithm, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
            self._running[key] = self._stack.enter_context(serving(root, one_worker | environment))
        return self._running[key]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_answer_is_the_file(case: Path, servers: Servers) -> None:
    exchange = json.loads((case / "exchange.json").read_text(encoding="utf-8"))
    (request,) = case.glob("request.*")
    # the identifier is part of an error's body
    headers = {"X-Request-Id": case.name} | exchange["headers"]
    answer = servers.of(case, exchange).request("POST", "/invocations", request.read_bytes(), headers)
    body = b"".join(path.read_bytes() for path in case.glob("response.*"))
    assert (answer.status, answer.headers.get("content-type", "").partition(";")[0], answer.body) == (
        exchange["status"],
        exchange["answer_type"],
        body,
    )
