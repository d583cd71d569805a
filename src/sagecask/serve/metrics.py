"""Counts for operators in Prometheus' text form, kept in memory that all workers share.

A library for this would be the runtime's seventh dependency, and shares between processes through a file of each in a
folder that must be writable and is named by a variable read at import; one anonymous map needs neither.
"""

from __future__ import annotations

import mmap
import threading
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableSequence

# where a request keeps the name of the model that it reached, on multi-model endpoints
MODEL = "sagecask.model"
ROUTES = ("invocations", "ping", "execution-parameters", "models", "invoke", "infer", "v2", "metrics", "other")
STATUSES = (200, 204, 400, 404, 405, 406, 408, 409, 413, 414, 415, 417, 431, 500, 501, 503, 507)
# of a status that none of these is
ANY_STATUS = 0
# seconds; from a row of a small model to the longest that the platform waits
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_STATUS_CELL = {status: cell for cell, status in enumerate((*STATUSES, ANY_STATUS))}
_FIRST_BUCKET = len(_STATUS_CELL)
_SECONDS = _FIRST_BUCKET + len(BUCKETS) + 1
ROW = _SECONDS + 1
_ROUTE_ROW = {route: row * ROW for row, route in enumerate(ROUTES)}
_IN_FLIGHT = len(ROUTES) * ROW
_SLOT = _IN_FLIGHT + 1


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model as the exposition shows it; load_seconds is None before it was first read."""

    name: str
    load_seconds: float | None
    loaded: bool


class Metrics:
    """Counters of one server; made before the workers are forked.

    slots : processes that can count at a time
    model : label of requests that name no model
    """

    def __init__(self, slots: int = 1, model: str = "") -> None:
        self.models: Callable[[], Iterable[ModelState]] = tuple
        self._model = model
        self._cells = memoryview(mmap.mmap(-1, slots * _SLOT * 8)).cast("d")
        self._slots = slots
        self._base = 0
        self._lock = threading.Lock()
        # rows of named models, which one process has alone
        self._named: dict[tuple[str, str], MutableSequence[float]] = {}

    def count_in(self, slot: int) -> None:
        """Count from here on in a slot that no other living process has; what is in it goes on."""
        self._base = slot % self._slots * _SLOT
        self._cells[self._base + _IN_FLIGHT] = 0.0

    def begun(self) -> None:
        """Count a request as being answered, until `done`."""
        with self._lock:
            self._cells[self._base + _IN_FLIGHT] += 1

    def done(self) -> None:
        """End what `begun` began."""
        with self._lock:
            self._cells[self._base + _IN_FLIGHT] -= 1

    def observe(self, route: str, status: int, seconds: float, model: str | None = None) -> None:
        """Count one request that was answered.

        model : its name on multi-model endpoints
        """
        cells: MutableSequence[float] | memoryview[float]
        if model is None:
            cells, first = self._cells, self._base + _ROUTE_ROW[route]
        else:
            cells, first = self._named_row(route, model), 0
        bucket = _FIRST_BUCKET + bisect_left(BUCKETS, seconds)
        status_cell = _STATUS_CELL.get(status, len(STATUSES))
        with self._lock:
            cells[first + status_cell] += 1
            cells[first + bucket] += 1
            cells[first + _SECONDS] += seconds

    def forget(self, model: str) -> None:
        """Drop the counts of a model that was unloaded."""
        with self._lock:
            for key in [key for key in self._named if key[1] == model]:
                del self._named[key]

    def exposition(self) -> str:
        """Return everything in the text form, version 0.0.4."""
        rows = list(self._rows())
        return "\n".join([*_requests(rows), *_latency(rows), *self._state(), ""])

    def _named_row(self, route: str, model: str) -> MutableSequence[float]:
        row = self._named.get((route, model))
        return self._named.setdefault((route, model), array("d", bytes(ROW * 8))) if row is None else row

    def _rows(self) -> Iterator[tuple[str, str, list[float]]]:
        """Yield route, model and cells of what was asked for at least once, over all processes."""
        for route, start in _ROUTE_ROW.items():
            firsts = [slot * _SLOT + start for slot in range(self._slots)]
            total = [sum(self._cells[first + cell] for first in firsts) for cell in range(ROW)]
            if any(total):
                yield route, self._model, total
        with self._lock:
            named = [(route, model, list(row)) for (route, model), row in self._named.items()]
        yield from sorted(named)

    def _state(self) -> Iterator[str]:
        states = list(self.models())
        in_flight = sum(self._cells[slot * _SLOT + _IN_FLIGHT] for slot in range(self._slots))
        yield from _head("requests_in_flight", "gauge", "Requests that are being answered.")
        yield f"sagecask_requests_in_flight {in_flight:.0f}"
        yield from _head("models_loaded", "gauge", "Models in memory.")
        yield f"sagecask_models_loaded {sum(state.loaded for state in states)}"
        yield from _head("model_load_seconds", "gauge", "Time that reading the model took.")
        for state in states:
            if state.load_seconds is not None:
                yield f"sagecask_model_load_seconds{_labels(model=state.name)} {state.load_seconds:.6f}"
        yield from _head("info", "gauge", "Version of the server.")
        yield f"sagecask_info{_labels(version=__version__)} 1"


def route_of(path: str) -> str:
    """Return the route of a path; paths that do not exist are one, as any client can make them up."""
    route = path[1:]
    if route in _ROUTE_ROW and path[0] == "/":
        return route
    if path.startswith("/models/"):
        return "invoke" if path.endswith("/invoke") else "models"
    if path == "/v2" or path.startswith("/v2/"):
        return "infer" if path.endswith("/infer") else "v2"
    return "other"


def _requests(rows: list[tuple[str, str, list[float]]]) -> Iterator[str]:
    yield from _head("requests_total", "counter", "Requests answered.")
    for route, model, cells in rows:
        for status, cell in _STATUS_CELL.items():
            if cells[cell]:
                labels = _labels(route=route, status=str(status or "other"), model=model)
                yield f"sagecask_requests_total{labels} {cells[cell]:.0f}"


def _latency(rows: list[tuple[str, str, list[float]]]) -> Iterator[str]:
    yield from _head("request_seconds", "histogram", "Time from the first to the last byte of an exchange.")
    for route, model, cells in rows:
        below = 0.0
        for cell, bound in enumerate((*map(str, BUCKETS), "+Inf"), _FIRST_BUCKET):
            below += cells[cell]
            labels = _labels(route=route, model=model, le=bound)
            yield f"sagecask_request_seconds_bucket{labels} {below:.0f}"
        labels = _labels(route=route, model=model)
        yield f"sagecask_request_seconds_sum{labels} {cells[_SECONDS]:.6f}"
        yield f"sagecask_request_seconds_count{labels} {below:.0f}"


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP sagecask_{name} {meaning}"
    yield f"# TYPE sagecask_{name} {kind}"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items() if text) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
