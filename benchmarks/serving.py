"""Serving XGBoost: one worker on one core, the load generator on another.

Every server is measured in turn with the floor, a WSGI application that does nothing, in the same minute and in
rotating order; the ratio of each such pair is what counts, and its median is shown. The floor against itself shows the
noise: what differs by less than that row does not differ. CPU is that of the server's processes, from the kernel.
The floor is gevent's worker where gevent is installed (`pip install '.[bench]'`), else gunicorn's of threads.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PEERS = Path(__file__).resolve().parent / "peers"
BIN = Path(sys.executable).parent
TREES, FEATURES = 100, 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
FLOOR, AGAIN = "WSGI hello", "WSGI hello again"
GEVENT = importlib.util.find_spec("gevent") is not None
GUNICORN = {
    FLOOR: "hello:app",
    AGAIN: "hello:app",
    "WSGI hello, threads": "hello:app",
    "Flask hello": "flask_hello:app",
    "naive": "naive:app",
}
OWN = {"WSGI hello, our worker": "hello", "sagecask, routed": "routed"}
SERVERS = [FLOOR, AGAIN, "WSGI hello, threads", "WSGI hello, our worker", "Flask hello", "naive", "sagecask, routed"]
SERVERS.append("sagecask")
# rows of a request, and connections at a time
LOADS = [(1, 1), (1, 8), (1, 64), (1000, 1), (1000, 8)]
SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path


@dataclass(frozen=True)
class Measured:
    """Requests a second, CPU milliseconds of the server for each of them, and their latency in milliseconds."""

    rate: float
    cpu: float
    half: float
    most: float


def rows() -> Iterator[dict[str, Any]]:
    """Yield start-up rows, then one row for each server, body and number of connections."""
    if shutil.which("wrk") is None or len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("serving: the load generator wrk (Debian package wrk) and two cores are needed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for server in ("sagecask", "naive"):
            seconds, used = zip(*[started(server, folder) for _ in range(REPEATS)], strict=True)
            yield {
                "server": server,
                "start to first ping, s": statistics.median(seconds),
                "slowest, s": max(seconds),
                "CPU, s": statistics.median(used),
            }
        yield memory(folder)
        bodies = {count: write_load(folder, count) for count, _ in LOADS}
        with contextlib.ExitStack() as stack:
            running = {server: stack.enter_context(serving(server, folder)) for server in SERVERS}
            for count, connections in LOADS:
                yield from compare(running, count, bodies[count], connections)


def memory(folder: Path) -> dict[str, Any]:
    """Return what two workers hold that have answered, shared pages counted by their share, and their threads."""
    with serving("sagecask", folder, workers=2) as served:
        script = write_load(folder, 1)
        load(served, script, 8, 1)
        workers = children(served.process.pid)
        shares = [found(r"\nPss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in workers]
        threads = [len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in workers]
        return {"server": "sagecask", "PSS a worker, MiB": max(shares) / 1024, "threads a worker": max(threads)}


def compare(running: dict[str, Served], count: int, script: Path, connections: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each server beside the floor."""
    pairs: dict[str, list[tuple[Measured, Measured]]] = {name: [] for name in running if name != FLOOR}
    for served in running.values():
        load(served, script, connections, 0.5)
    names = list(pairs)
    for repeat in range(REPEATS):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            order = (FLOOR, name) if repeat % 2 else (name, FLOOR)
            found = {each: load(running[each], script, connections, SECONDS) for each in order}
            pairs[name].append((found[name], found[FLOOR]))
    for name, measured in pairs.items():
        ratios = [own.rate / floor.rate for own, floor in measured]
        yield {
            "server": name,
            "rows": count,
            "connections": connections,
            "requests/s": statistics.median(own.rate for own, _ in measured),
            "of the floor": statistics.median(ratios),
            "spread": f"{min(ratios):.2f}-{max(ratios):.2f}",
            "p50 ms": statistics.median(own.half for own, _ in measured),
            "p99 ms": statistics.median(own.most for own, _ in measured),
            "CPU ms": statistics.median(own.cpu for own, _ in measured),
            "CPU of the floor": statistics.median(own.cpu / floor.cpu for own, floor in measured),
        }


def prepare(folder: Path) -> None:
    """Write a model of 100 trees, as XGBoost writes it."""
    import xgboost  # noqa: PLC0415 - the clients' process does without it

    draw = np.random.default_rng(0)
    features = draw.normal(size=(20_000, FEATURES)).astype(np.float32)
    labels = (features[:, 0] * features[:, 1] + features[:, 2] > draw.normal(size=20_000)).astype(float)
    settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 2}
    booster = xgboost.train(settings, xgboost.DMatrix(features, labels), TREES)
    model = folder / "model" / "xgboost-model"
    model.parent.mkdir()
    model.write_bytes(booster.save_raw("ubj"))


def write_load(folder: Path, count: int) -> Path:
    """Write a body of `count` rows, and the script by which wrk sends it."""
    body = folder / f"{count}.csv"
    np.savetxt(body, np.random.default_rng(1).normal(size=(count, FEATURES)), delimiter=",", fmt="%.5f")
    script = folder / f"{count}.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.path = "/invocations"\nwrk.headers["Content-Type"] = "text/csv"\n'
        f'local file = io.open("{body}", "rb")\nwrk.body = file:read("*a")\n'
    )
    return script


@contextlib.contextmanager
def serving(name: str, folder: Path, workers: int = 1) -> Iterator[Served]:
    """Run a server on its core, with one worker unless it is told otherwise, until it answers."""
    served = start(name, folder, workers)
    try:
        wait_until_ready(served)
        yield served
    finally:
        served.process.terminate()
        served.process.wait(START_SECONDS)


def started(name: str, folder: Path) -> tuple[float, float]:
    """Return the seconds from the start of the process to its first answered ping, and its CPU seconds until then."""
    begin = time.perf_counter()
    served = start(name, folder)
    try:
        wait_until_ready(served)
        return time.perf_counter() - begin, cpu_seconds(served.process.pid)
    finally:
        served.process.terminate()
        served.process.wait(START_SECONDS)


def start(name: str, folder: Path, workers: int = 1) -> Served:
    """Start a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("SAGEMAKER_", "SAGECASK_"))}
    environ |= {"OMP_NUM_THREADS": "1", "MODEL": str(folder / "model" / "xgboost-model")}
    environ |= {"SAGEMAKER_BIND_TO_PORT": str(port), "SAGECASK_ROOT": str(folder), "SAGECASK_ALGORITHM": "xgboost"}
    if name == "sagecask":
        command = [str(BIN / "sagecask"), "serve"]
        environ |= {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
    elif name in OWN:
        command = [sys.executable, str(PEERS / "worker.py"), OWN[name]]
    else:
        command = [str(BIN / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", "1", "--chdir", str(PEERS)]
        if name == "WSGI hello, threads" or (name != "naive" and not GEVENT):
            command += ["--threads", "16", "--keep-alive", "65"]
        elif name != "naive":
            command += ["--worker-class", "gevent", "--keep-alive", "65"]
        command.append(GUNICORN[name])
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", SERVER_CORE, *command], env=environ, stdout=output, stderr=subprocess.STDOUT
        )
    return Served(name, process, port, log)


def wait_until_ready(served: Served) -> None:
    """Poll /ping until it answers 200."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and served.process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/ping")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.005)
    raise SystemExit(f"serving: {served.name} must answer /ping; got this log:\n{served.log.read_text()}")


def load(served: Served, script: Path, connections: int, seconds: float) -> Measured:
    """Send requests as fast as they are answered."""
    command = ["taskset", "--cpu-list", CLIENT_CORE, "wrk", "--threads", "1", "--latency"]
    command += [
        "--connections",
        str(connections),
        "--duration",
        f"{max(1, round(seconds))}s",
        "--timeout",
        "30s",
        "--script",
        str(script),
    ]
    before = cpu_seconds(served.process.pid)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{served.port}"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    used = cpu_seconds(served.process.pid) - before
    if "Non-2xx" in done or "Socket errors" in done:
        raise SystemExit(f"serving: {served.name} must answer every request with 200; got\n{done}")
    rate, total = found(r"Requests/sec:\s+([\d.]+)", done), found(r"(\d+) requests in", done)
    return Measured(rate, used / total * 1000, latency("50%", done), latency("99%", done))


def latency(percentile: str, report: str) -> float:
    """Return a percentile of wrk's report in milliseconds."""
    match = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", report)
    if match is None:
        raise SystemExit(f"serving: wrk's report must hold {percentile}; got\n{report}")
    return float(match[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[match[2]]


def found(pattern: str, text: str) -> float:
    """Return the number that a pattern finds in a report."""
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"serving: the report must hold {pattern}; got\n{text}")
    return float(match[1])


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its children, those that ended included."""
    fields: Sequence[str] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / TICKS
    return own + sum(map(cpu_seconds, children(pid)))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
