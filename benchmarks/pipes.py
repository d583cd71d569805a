"""Pipe mode: 200 MB written by `cat` into a FIFO, beside the same file read at once.

Ratios are medians over rounds, each against `np.fromfile` in the same round; the file is in the page cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sagecask.channels import FileChannel, PipeChannel
from sagecask.formats import Batch, Layout, MediaType, recordio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sagecask.channels import Channel

ROUNDS = 7
BYTES = 200_000_000
WIDTH = 1000
MIB = 1024 * 1024
RECORDS = MediaType.parse("application/x-recordio-protobuf")


def rows() -> Iterator[dict[str, object]]:
    """Yield one row for each way to get at the bytes, and one for each way to get at the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write(folder / "rows.pbr")
        ways: dict[str, Callable[[], int]] = {
            "np.fromfile, no pipe": lambda: np.fromfile(source, np.uint8).nbytes,
            "file.read of 1 MiB, no pipe": lambda: consumed(source),
            "cat into cat": lambda: piped(folder, source, through_cat),
            "file.read of 1 MiB": lambda: piped(folder, source, consumed),
            "os.readv of 1 MiB": lambda: piped(folder, source, scattered),
            "sagecask, bytes": lambda: piped(folder, source, stream_of(folder)),
            "sagecask, File mode, rows": lambda: decoded(FileChannel("train", source, RECORDS)),
            "sagecask, Pipe mode, rows": lambda: piped(folder, source, rows_of(folder)),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, read in ways.items():
                start = time.perf_counter()
                count = read()
                times[way].append(time.perf_counter() - start)
                assert count >= source.stat().st_size * (0.9 if way.endswith("rows") else 1), way
        floor = times["np.fromfile, no pipe"]
        for way, seconds in times.items():
            ratios = [one / least for one, least in zip(seconds, floor, strict=True)]
            yield {
                "way": way,
                "ms": 1000 * statistics.median(seconds),
                "of np.fromfile": statistics.median(ratios),
                "best of best": min(seconds) / min(floor),
            }


def write(path: Path) -> Path:
    """Write dense records of one layout, and read them once so that they are in the page cache."""
    rng = np.random.default_rng(0)
    block = recordio.write(Batch(rng.standard_normal((5000, WIDTH), dtype=np.float32), np.ones(5000, np.float32)))
    with path.open("wb") as file:
        while file.tell() < BYTES:
            file.write(block)
    np.fromfile(path, np.uint8)
    return path


def piped(folder: Path, source: Path, read: Callable[[Path], int]) -> int:
    """Return what `read` makes of the FIFO train_0, into which `cat` writes the file."""
    with fifo(folder / "train_0") as path, subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', str(source), str(path)]):
        return read(path)


@contextmanager
def fifo(path: Path) -> Iterator[Path]:
    os.mkfifo(path)
    try:
        yield path
    finally:
        path.unlink()


def consumed(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        return sum(map(len, iter(lambda: file.read(MIB), b"")))


def scattered(path: Path) -> int:
    buffer = bytearray(MIB)
    with path.open("rb", buffering=0) as file:
        return sum(iter(lambda: os.readv(file.fileno(), [buffer]), 0))


def through_cat(path: Path) -> int:
    subprocess.run(["sh", "-c", 'cat "$0" > /dev/null', str(path)], check=True)
    return BYTES * 2


def stream_of(folder: Path) -> Callable[[Path], int]:
    """Return a reader of a Pipe channel's bytes."""

    def read(_: Path) -> int:
        buffer = bytearray(MIB)
        return sum(
            got
            for each in PipeChannel("train", folder, RECORDS).objects()
            for got in iter(lambda: each.stream.readinto(buffer), 0)  # noqa: B023 - used before the next object
        )

    return read


def rows_of(folder: Path) -> Callable[[Path], int]:
    """Return a reader of a Pipe channel's rows."""
    return lambda _: decoded(PipeChannel("train", folder, RECORDS))


def decoded(channel: Channel) -> int:
    return sum(batch.features.nbytes for batch in channel.batches(Layout(label_size=1)))
