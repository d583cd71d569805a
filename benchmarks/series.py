"""Reading time series: JSON Lines and Parquet to arrays, beside json.loads for each line and GluonTS.

Long series with three decimals, all in the page cache; every way reads the file once before it is timed. Seconds are of
the processor, as other processes want the cores too. A ratio is the median over rounds of a way's time through the
floor's in the same round. BENCH_MEGABYTES and BENCH_REPEATS make it smaller.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gluonts.dataset.common import FileDataset
from gluonts.dataset.jsonl import JsonLinesFile
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.series import Form, read

from sagecask.channels import FileChannel
from sagecask.formats import MediaType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ways = dict[str, Callable[[], object]]

MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "100"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
POINTS = 20_000
FORM = Form(Frequency(1, "H"), 24, "student-T")


def rows() -> Iterator[dict[str, object]]:
    """Yield a row for each way through each file; the first way of each is the floor."""
    with tempfile.TemporaryDirectory() as name:
        for title, path, ways in cases(Path(name)):
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(REPEATS + 1):
                for way, run in ways.items():
                    begun = time.process_time()
                    run()
                    seconds[way].append(time.process_time() - begun)
            floor = next(iter(seconds.values()))[1:]
            for way, found in seconds.items():
                ratios = [one / least for one, least in zip(found[1:], floor, strict=True)]
                yield {
                    "file": title,
                    "MB": round(path.stat().st_size / 1e6),
                    "way": way,
                    "CPU, s": statistics.median(found[1:]),
                    "x floor": statistics.median(ratios),
                }


def cases(folder: Path) -> Iterator[tuple[str, Path, Ways]]:
    """Yield title, file and ways; a file has a folder of its own, as a channel has."""
    lines, packed, columns = (folder / kind / name for kind, name in FILES)
    for path in (lines, packed, columns):
        path.parent.mkdir()
    values = write(lines)
    yield (
        "JSON Lines",
        lines,
        json_ways(lines) | {"GluonTS": lambda: sum(1 for _ in JsonLinesFile(lines))} | both(lines),
    )
    with lines.open("rb") as plain, gzip.open(packed, "wb", 1) as file:
        shutil.copyfileobj(plain, file)
    yield "JSON Lines, gzip", packed, json_ways(packed) | {"sagecask, to arrays": lambda: arrays(packed)}
    table = pa.table({"start": ["2021-03-01 00:00:00"] * len(values), "target": list(values)})
    pq.write_table(table, columns)
    yield (
        "Parquet",
        columns,
        {
            "pyarrow, whole table": lambda: pq.read_table(columns),
            "sagecask, to arrays": lambda: arrays(columns),
        },
    )


FILES = (("lines", "train.json"), ("packed", "train.json.gz"), ("columns", "train.parquet"))


def write(path: Path) -> np.ndarray:
    """Write a file of about MEGABYTES and return its values."""
    draw = np.random.default_rng(0)
    count = max(2, MEGABYTES * 1_000_000 // (9 * POINTS))
    values = np.round(100 * draw.normal(size=(count, POINTS)), 3)
    with path.open("w", encoding="utf-8") as file:
        for each in values:
            file.write(json.dumps({"start": "2021-03-01 00:00:00", "target": each.tolist()}) + "\n")
    return values


def json_ways(path: Path) -> Ways:
    """Return the floor, and the way to objects."""
    source = gzip.open if path.suffix == ".gz" else open

    def floor() -> int:
        with source(path, "rb") as file:
            return sum(1 for line in file if json.loads(line))

    return {"json.loads a line": floor, "sagecask, to objects": lambda: sum(map(len, channel(path).records()))}


def both(path: Path) -> Ways:
    """Return the ways to arrays of numbers."""
    return {
        "sagecask, to arrays": lambda: arrays(path),
        "GluonTS, to arrays": lambda: sum(1 for _ in FileDataset(path.parent, freq="h")),
    }


def arrays(path: Path) -> object:
    """Read a file as a training job does."""
    return read(channel(path), FORM)


def channel(path: Path) -> FileChannel:
    """Return the channel of a file."""
    return FileChannel("train", path.parent, MediaType.parse("json"))
