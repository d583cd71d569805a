"""DeepAR: an epoch beside its LSTM passes alone, and epoch and sampling beside GluonTS.

200 hourly series of 336 points, 50 mini-batches of 64 windows of 72 + 24 points, 2 layers of 40 cells, student-T; then
100 sample paths of each series, 24 points ahead. An epoch cuts windows, goes forward and back, clips the gradient and
takes a step of Adam. The LSTM alone is torch.nn.LSTM, forward and backward on inputs of the same size that lie ready.
Each contender is a fresh process, in turn, and has run once before it is timed; where other processes want the cores
too, CPU time tells more than the clock does. Start-up is what a process takes from its start to the end of the first
forecast of one series, and to that of the next ones in the same process.

BENCH_SERIES, BENCH_BATCHES, BENCH_REPEATS and BENCH_THREADS make it smaller.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from sagecask_forecasting.deepar.panel import Panel
    from sagecask_forecasting.deepar.scaling import Scales
    from sagecask_forecasting.deepar.shape import Shape

SERIES = int(os.environ.get("BENCH_SERIES", "200"))
BATCHES = int(os.environ.get("BENCH_BATCHES", "50"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
THREADS = os.environ.get("BENCH_THREADS", "1")
LENGTH, CONTEXT, HORIZON, BATCH, CELLS, LAYERS, PATHS, DROPOUT = 336, 72, 24, 64, 40, 2, 100, 0.1
PEERS = Path(__file__).parent / "peers" / "deepar_peers.py"


def rows() -> Iterator[dict[str, Any]]:
    """Yield medians of epochs and of sampling, with ratios to the LSTM alone and to GluonTS; then start-ups."""
    yield from compared("an epoch", ["LSTM alone", "sagecask epoch", "GluonTS epoch"])
    yield from compared(f"{SERIES} x {PATHS} paths", ["GluonTS paths", "sagecask paths"])
    with tempfile.TemporaryDirectory() as folder:
        run("write models", folder)
        for name in ("start: numpy", "start: sagecask", "start: torch", "start: torch.jit", "start: nn.LSTM"):
            found = [run(name, folder) for _ in range(REPEATS)]
            yield {
                "process": name.removeprefix("start: "),
                "start to first forecast, s": _median(found, "whole"),
                "CPU, s": _median(found, "whole cpu"),
                "next forecast, ms": _median(found, "next") * 1000,
                "MiB": _median(found, "peak"),
            }


def compared(what: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each contender; the first is what the others are divided by."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(REPEATS):
        for name in names:
            found[name].append(run(name, ""))
    for name, runs in found.items():
        base = found[names[0]]
        yield {
            "what": what,
            "by": name,
            "seconds": _median(runs, "seconds"),
            "CPU, s": _median(runs, "cpu"),
            f"CPU of {names[0]}": statistics.median(a["cpu"] / b["cpu"] for a, b in zip(runs, base, strict=True)),
        }


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def run(name: str, folder: str) -> dict[str, Any]:
    """Return what a fresh process of one contender measured."""
    environ = os.environ | {"OMP_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS, "OMP_WAIT_POLICY": "passive"}
    path = PEERS if name.startswith("GluonTS") else __file__
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", path, name, folder], stdout=subprocess.PIPE, text=True, env=environ, check=True
    )
    whole, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(done.stdout.splitlines()[-1]) | {"whole": whole, "whole cpu": cpu}


# --- inside the process of a contender -----------------------------------------------------------------------


def timed(work: Callable[[], object], repeats: int = 1) -> dict[str, float]:
    """Run work, and then again with the clock on."""
    work()
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return {"seconds": (time.perf_counter() - begun) / repeats, "cpu": (time.process_time() - cpu) / repeats}


def problem() -> tuple[Shape, Panel, Scales]:
    """Return the shape of the network, the series and their scales."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    from sagecask_forecasting.deepar.calendar import Frequency  # noqa: PLC0415 - as above
    from sagecask_forecasting.deepar.panel import Panel  # noqa: PLC0415 - as above
    from sagecask_forecasting.deepar.scaling import Scales  # noqa: PLC0415 - as above
    from sagecask_forecasting.deepar.shape import Shape  # noqa: PLC0415 - as above

    shape = Shape(Frequency(1, "H"), CONTEXT, HORIZON, "student-T", (), 0, 0, CELLS, LAYERS)
    values = series()
    panel = Panel(
        starts=np.full(len(values), "2021-01-01T00:00", "M8[m]"),
        lengths=np.full(len(values), LENGTH),
        values=values.ravel(),
        categories=np.empty((len(values), 0), np.int64),
        dynamic=np.empty((len(values) * (LENGTH + HORIZON), 0), np.float32),
        ahead=HORIZON,
    )
    return shape, panel, Scales.fit(panel, shape)


def series() -> NDArray[np.float32]:
    """Return (n, length) float32: waves of a day."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up

    draw = np.random.default_rng(0)
    waves = 10 + 5 * np.sin(np.arange(LENGTH) * 2 * np.pi / 24 + 6 * draw.random((SERIES, 1)))
    return (waves + draw.standard_normal(waves.shape)).astype(np.float32)


def lstm_alone(_: str) -> dict[str, float]:
    """Go forward and back through torch.nn.LSTM."""
    import torch  # noqa: PLC0415 - counted in the start-up

    torch.set_num_threads(int(THREADS))
    shape, _panel, _scales = problem()
    layers = torch.nn.LSTM(shape.varying + shape.static, CELLS, LAYERS, batch_first=True)
    inputs = torch.randn(BATCH, CONTEXT + HORIZON, shape.varying + shape.static)

    def epoch() -> None:
        for _ in range(BATCHES):
            layers(inputs)[0].sum().backward()

    return timed(epoch)


def sagecask_epoch(_: str) -> dict[str, float]:
    """Run an epoch, from the series on."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    import torch  # noqa: PLC0415 - as above
    from sagecask_forecasting.deepar.network import Network, tensors  # noqa: PLC0415 - as above
    from sagecask_forecasting.deepar.panel import Cutter  # noqa: PLC0415 - as above

    torch.set_num_threads(int(THREADS))
    shape, panel, scales = problem()
    network, cutter, draw = Network(shape, DROPOUT), Cutter(panel, shape), np.random.default_rng(0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)

    def epoch() -> None:
        for _ in range(BATCHES):
            chosen, at = draw.integers(0, SERIES, BATCH), draw.integers(0, LENGTH - HORIZON + 1, BATCH)
            total, weight = network(*tensors(cutter.cut(chosen, at), scales, shape))
            optimizer.zero_grad()
            (total / weight).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()

    return timed(epoch)


def sagecask_paths(_: str) -> dict[str, float]:
    """Draw sample paths of all series."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    from sagecask_forecasting.deepar.forecast import Forecaster  # noqa: PLC0415 - as above

    shape, panel, scales = problem()
    forecaster = Forecaster(shape, random_weights(shape), scales, int(THREADS))
    return timed(lambda: forecaster.samples(panel, PATHS, np.random.default_rng(0)))


def random_weights(shape: Shape) -> dict[str, NDArray[np.float32]]:
    """Return weights of a network that has learned nothing; drawing takes as long."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    from sagecask_forecasting.deepar.weights import sizes  # noqa: PLC0415 - as above

    draw = np.random.default_rng(0)
    found = {name: draw.uniform(-0.15, 0.15, size).astype(np.float32) for name, size in sizes(shape).items()}
    return found | {"keep": np.array([DROPOUT], np.float32)}


# --- start-up --------------------------------------------------------------------------------------------------


def write_models(folder: str) -> dict[str, float]:
    """Write weights for numpy and a traced network for torch."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    import torch  # noqa: PLC0415 - as above

    shape, _, _ = problem()
    np.savez(Path(folder, "weights.npz"), **random_weights(shape))
    layers = torch.nn.LSTM(shape.varying + shape.static, CELLS, LAYERS, batch_first=True)
    state = (torch.zeros(LAYERS, PATHS, CELLS), torch.zeros(LAYERS, PATHS, CELLS))
    example = (torch.zeros(PATHS, 1, shape.varying + shape.static), state)
    torch.jit.trace(layers, example).save(str(Path(folder, "layers.pt")))
    return {}


def answered(forecast: Callable[[], object]) -> dict[str, float]:
    """Forecast once, then find how long the next ones take and how much memory the process has."""
    import resource  # noqa: PLC0415 - counted in the start-up

    found = timed(forecast, repeats=10)
    return {"next": found["seconds"], "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def start_numpy(_: str) -> dict[str, float]:
    """Import numpy."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up

    return answered(lambda: np.zeros(1))


def start_sagecask(folder: str) -> dict[str, float]:
    """Read weights and forecast one series."""
    import numpy as np  # noqa: PLC0415 - counted in the start-up
    from sagecask_forecasting.deepar.forecast import Forecaster  # noqa: PLC0415 - as above

    global SERIES  # noqa: PLW0603 - one series is asked for
    SERIES = 1
    shape, panel, scales = problem()
    forecaster = Forecaster(shape, dict(np.load(Path(folder, "weights.npz"))), scales)
    return answered(lambda: forecaster.samples(panel, PATHS, np.random.default_rng(0)))


def start_torch(_: str) -> dict[str, float]:
    """Import torch."""
    import torch  # noqa: PLC0415 - counted in the start-up

    return answered(lambda: torch.zeros(1))


def stepped(layers: Callable[..., tuple[torch.Tensor, object]]) -> dict[str, float]:
    """Move the layers through the horizon for all paths, without what else a forecast needs."""
    import torch  # noqa: PLC0415 - counted in the start-up

    torch.set_num_threads(int(THREADS))
    shape, _, _ = problem()
    inputs = torch.zeros(PATHS, 1, shape.varying + shape.static)

    def forecast() -> None:
        with torch.no_grad():
            state = (torch.zeros(LAYERS, PATHS, CELLS), torch.zeros(LAYERS, PATHS, CELLS))
            for _ in range(HORIZON):
                _, state = layers(inputs, state)

    return answered(forecast)


def start_nn_lstm(_: str) -> dict[str, float]:
    """Make the layers and move them."""
    import torch  # noqa: PLC0415 - counted in the start-up

    shape, _, _ = problem()
    return stepped(torch.nn.LSTM(shape.varying + shape.static, CELLS, LAYERS, batch_first=True))


def start_jit(folder: str) -> dict[str, float]:
    """Read the traced layers and move them."""
    import torch  # noqa: PLC0415 - counted in the start-up

    return stepped(torch.jit.load(str(Path(folder, "layers.pt"))))


CONTENDERS: dict[str, Callable[[str], dict[str, float]]] = {
    "LSTM alone": lstm_alone,
    "sagecask epoch": sagecask_epoch,
    "sagecask paths": sagecask_paths,
    "write models": write_models,
    "start: numpy": start_numpy,
    "start: sagecask": start_sagecask,
    "start: torch": start_torch,
    "start: nn.LSTM": start_nn_lstm,
    "start: torch.jit": start_jit,
}

if __name__ == "__main__":
    print(json.dumps(CONTENDERS[sys.argv[1]](sys.argv[2])))
