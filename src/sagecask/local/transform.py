"""Batch transform of files through an endpoint of this machine, as the platform does it (contract §12)."""

from __future__ import annotations

import http.client
import json
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import click

from sagecask.errors import DataError, PlatformError, UsageError, UserError
from sagecask.local.endpoint import serving
from sagecask.local.process import on_stop
from sagecask.local.records import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from sagecask.local.endpoint import EndpointDescription
    from sagecask.local.records import Piece, SplitType, Strategy
    from sagecask.local.run import Engine

MEGABYTE = 1024 * 1024
# API ModelClientConfig: 600 s and three repeats
REQUEST_SECONDS = 600
REPEATS = 3


@dataclass(frozen=True, slots=True)
class TransformDescription:
    """What to send and how; a None is filled from /execution-parameters, then from the platform's default.

    source : a file, or a folder whose files are all sent
    output : folder that receives NAME.out for each input NAME
    """

    source: Path
    output: Path
    content_type: str | None = None
    accept: str | None = None
    split_type: SplitType = "None"
    strategy: Strategy | None = None
    assemble_with: Literal["None", "Line"] = "None"
    max_payload_mb: int | None = None
    max_concurrent: int | None = None


def transform(
    endpoint: EndpointDescription,
    description: TransformDescription,
    engine: Engine,
    environ: Mapping[str, str],
    *,
    terminal: bool,
) -> None:
    """Transform every input; an output file appears only when all requests of its input succeeded.

    Raises
    ------
    UserError : an input is missing or refused by the server; says which records
    PlatformError : the server does not start, or fails
    """
    inputs = _inputs(description.source)
    environment = {**endpoint.environment, **_variables(description)}
    stopped = threading.Event()
    with (
        on_stop([stopped.set]),
        serving(replace(endpoint, environment=environment), engine, environ, _silent, stopped) as server,
    ):
        client = _Client(server.port, _filled(description, server.port), stopped)
        total = sum(path.stat().st_size for path in inputs.values())
        with click.progressbar(length=total, label="bytes", hidden=not terminal) as bar:
            for name, path in inputs.items():
                client.transform(path, description.output / f"{name}.out", bar.update)
                if not terminal:
                    click.echo(f"{path} -> {description.output / name}.out")


def _silent(_line: str) -> None:
    """Drop a line of the server's log; an error shows the server's message, and a failed start the last lines."""


def _inputs(source: Path) -> dict[str, Path]:
    """Return name below the output folder to file, in the order of names."""
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        raise UserError(f'transform: the input must be a file or folder; got "{source}", which does not exist')
    found = {path.relative_to(source).as_posix(): path for path in sorted(source.rglob("*")) if path.is_file()}
    if not found:
        raise UserError(f'transform: the input folder must hold files; got "{source}", which is empty')
    return found


def _variables(description: TransformDescription) -> dict[str, str]:
    """Return the variables of contract 12.2; all but the first only where the job sets them."""
    variables = {"SAGEMAKER_BATCH": "true"}
    if description.max_payload_mb is not None:
        variables["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(description.max_payload_mb)
    if description.strategy is not None:
        variables["SAGEMAKER_BATCH_STRATEGY"] = description.strategy
    if description.max_concurrent:
        variables["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(description.max_concurrent)
    return variables


def _filled(description: TransformDescription, port: int) -> TransformDescription:
    """Fill what is None: the request comes first, then the container's answer, then 1, MULTI_RECORD and 6."""
    answer = _execution_parameters(port)
    strategy: Strategy = "SINGLE_RECORD" if answer.get("BatchStrategy") == "SINGLE_RECORD" else "MULTI_RECORD"
    filled = replace(
        description,
        strategy=description.strategy or strategy,
        max_payload_mb=description.max_payload_mb or _positive(answer, "MaxPayloadInMB", 6),
        max_concurrent=description.max_concurrent or _positive(answer, "MaxConcurrentTransforms", 1),
    )
    if filled.max_payload_mb is None or filled.max_payload_mb > 100:
        raise UsageError(f"transform: --max-payload must be at most 100; got {filled.max_payload_mb}")
    return filled


def _positive(answer: Mapping[str, Any], key: str, default: int) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and value > 0 else default


def _execution_parameters(port: int) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    try:
        connection.request("GET", "/execution-parameters")
        response = connection.getresponse()
        answer = json.loads(response.read()) if response.status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


class _Client:
    """Sends the pieces of inputs, a few at a time, and writes the answers in order."""

    def __init__(self, port: int, description: TransformDescription, stopped: threading.Event) -> None:
        self._port = port
        self._description = description
        self._stopped = stopped
        self._headers = {"Content-Type": description.content_type, "Accept": description.accept}

    def transform(self, source: Path, output: Path, advance: Callable[[int], None]) -> None:
        """Write the answers to `source` to `output` once all of them are there."""
        output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = output.with_name(f".{output.name}.part")
        try:
            with unfinished.open("wb") as file:
                for piece, answer in self._answers(source):
                    file.write(answer)
                    if self._description.assemble_with == "Line" and not answer.endswith(b"\n"):
                        file.write(b"\n")
                    advance(piece.covered)
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)

    def _answers(self, source: Path) -> Iterator[tuple[Piece, bytes]]:
        about = self._description
        width = about.max_concurrent or 1
        waiting: deque[tuple[Piece, Future[bytes]]] = deque()
        with source.open("rb") as stream, ThreadPoolExecutor(width) as pool:
            cut = pieces(
                stream, about.split_type, about.strategy or "MULTI_RECORD", (about.max_payload_mb or 6) * MEGABYTE
            )
            try:
                for piece in cut:
                    waiting.append((piece, pool.submit(self._send, piece, source)))
                    if len(waiting) == width:
                        yield self._next(waiting)
                while waiting:
                    yield self._next(waiting)
            except DataError as error:
                raise DataError(f"transform: {source}: {error}") from error
            finally:
                pool.shutdown(cancel_futures=True)

    def _next(self, waiting: deque[tuple[Piece, Future[bytes]]]) -> tuple[Piece, bytes]:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        piece, future = waiting.popleft()
        return piece, future.result()

    def _send(self, piece: Piece, source: Path) -> bytes:
        where = f"transform: {source}"
        if self._description.split_type != "None":
            where += (
                f", record {piece.first}" if piece.first == piece.last else f", records {piece.first} to {piece.last}"
            )
        for attempt in range(REPEATS + 1):
            status, answer = self._post(piece.body)
            if status == 200:
                return answer
            # a refusal stays a refusal
            if status is not None and status < 500:
                break
            if attempt == REPEATS or self._stopped.wait(2**attempt / 10):
                break
        kind = PlatformError if status is None or status >= 500 else UserError
        got = "no answer" if status is None else f"{status}: {_message(answer)}"
        raise kind(f"{where}: the server must answer 200; got {got}")

    def _post(self, body: bytes) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_SECONDS)
        try:
            headers = {name: value for name, value in self._headers.items() if value}
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()


def _message(answer: bytes) -> str:
    """Return the cause that an error's body gives, on one line."""
    text = answer.decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict):
        text = str(content.get("error") or content.get("message") or text)
    return " ".join(text.split()) or "an empty body"
