"""Soak: `sagecask serve` under a steady load of requests for minutes; memory must stay flat and every answer be right.

    python benchmarks/soak.py --minutes 15

Capacity is measured first, with as many connections, by clients that do not wait; then the same clients keep to a share
of it. Memory is the workers' proportional set size (what a page shares is counted in parts). Exits with 1 where
an answer was not 200 or memory grew by more than a tenth from the end of the first tenth of the time to the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sagecask.testing.server import Server, serving

BODY = b"0.5,2.0,-1.25,0.0,1.5,-0.75,0.25,3.0\n"
CALIBRATION_SECONDS = 10.0
SAMPLES = 60
MAX_GROWTH = 0.1


@dataclass
class Load:
    """Clients on connections of their own; `rate` is the requests a second of all of them, None as many as they can."""

    port: int
    connections: int
    rate: float | None
    answered: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Send until the time is over."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(number, end)) for number in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, number: int, end: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        pause = self.connections / self.rate if self.rate else 0.0
        due = time.monotonic() + pause * number / self.connections
        while (now := time.monotonic()) < end:
            if due > now:
                time.sleep(due - now)
            # what was missed is not caught up with: a stall would be followed by a storm
            due = max(due + pause, time.monotonic() - pause)
            self._ask(connection)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        began = time.monotonic()
        try:
            connection.request("POST", "/invocations", BODY, {"Content-Type": "text/csv"})
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            self.errors.append(repr(error))
            connection.close()
            return
        if response.status != 200 or not 0 < float(answer) < 1:
            self.errors.append(f"{response.status} {answer[:100]!r}")
        self.answered += 1
        if self.answered % 100 == 0:
            self.seconds.append(time.monotonic() - began)


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _prepare(root)
        environ = {"SAGECASK_ALGORITHM": "xgboost", "SAGEMAKER_CONTAINER_LOG_LEVEL": "30"}
        with serving(root, environ) as server:
            result = _soak(server, options)
            result["log"] = server.log().splitlines()[-5:]
    text = json.dumps(result, indent=1)
    sys.stdout.write(text + "\n")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n", encoding="utf-8")
    return int(bool(result["errors"]) or result["growth"] > MAX_GROWTH)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve under steady load and watch memory and errors.")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity measured before")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--output", type=Path, help="file for the result")
    return parser.parse_args()


def _soak(server: Server, options: argparse.Namespace) -> dict[str, object]:
    Load(server.port, options.connections, None).run(CALIBRATION_SECONDS / 2)
    full = Load(server.port, options.connections, None)
    full.run(CALIBRATION_SECONDS)
    capacity = full.answered / CALIBRATION_SECONDS
    load, seconds = Load(server.port, options.connections, capacity * options.share), options.minutes * 60
    workers = sorted(server.workers())
    sending = threading.Thread(target=load.run, args=(seconds,))
    sending.start()
    samples = []
    while sending.is_alive():
        samples.append(sum(map(_kilobytes, workers)))
        sending.join(seconds / SAMPLES)
    settled, last = samples[len(samples) // 10], samples[-1]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "minutes": options.minutes,
        "capacity, requests/s": round(capacity),
        "rate, requests/s": round(load.answered / seconds),
        "requests": load.answered,
        "errors": len(full.errors) + len(load.errors),
        "first errors": (full.errors + load.errors)[:5],
        "latency, ms": {
            f"p{q}": round(float(np.percentile(load.seconds, q)) * 1000, 2) for q in (50, 99, 100) if load.seconds
        },
        "workers replaced": len(set(workers) - set(server.workers())),
        "workers, PSS in MB": [round(sample / 1024, 1) for sample in samples],
        "growth": round(last / settled - 1, 4),
    }


def _kilobytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _prepare(root: Path) -> None:
    import xgboost  # noqa: PLC0415 - the family may not be installed

    random = np.random.default_rng(0)
    features = random.normal(size=(2000, 8)).astype(np.float32)
    data = xgboost.DMatrix(features, features[:, 0] > features[:, 1])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": 0}, data, 100)
    (root / "model").mkdir()
    (root / "model" / "xgboost-model").write_bytes(booster.save_raw("ubj"))


if __name__ == "__main__":
    sys.exit(main())
