"""Reading training data into memory, beside the fastest that others offer.

A ratio is the median over rounds of a way's time through the floor's in the same round: `np.fromfile` of the same file,
for CSV polars. Files are in the page cache and every way has run once before it is timed. Ways marked "part" read the
first megabytes only and are scaled up. `python benchmarks/data_plane.py --full` takes files of full size.
"""

from __future__ import annotations

import argparse
import io
import mmap
import statistics
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sagecask.channels import FileChannel
from sagecask.formats import Layout, MediaType, codec_for, concatenate, recordio
from sagecask.formats.batch import Batch
from sagecask.formats.record_pb2 import Record
from sagecask.native import core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = {"dense": 64, "sparse": 40, "csv": 64, "libsvm": 64}
FULL_SIZES = {"dense": 200, "sparse": 40, "csv": 255, "libsvm": 72}
ROUNDS = 7
PART_BYTES = 2_000_000
LAYOUT = Layout(label_size=1)
RECORDS, CSV, LIBSVM = "application/x-recordio-protobuf", "text/csv", "text/libsvm"


@dataclass
class Way:
    """One way to read a file; `scale` is the file's size over that of the part that it reads."""

    name: str
    read: Callable[[], object]
    scale: float = 1.0
    seconds: list[float] = field(default_factory=list)


def rows() -> Iterator[dict[str, object]]:
    """Yield one row for each way through each file; the first way of each is the floor."""
    with tempfile.TemporaryDirectory() as name:
        for title, path, ways in cases(Path(name)):
            with warnings.catch_warnings(action="ignore"):
                for _ in range(ROUNDS + 1):
                    for way in ways:
                        start = time.perf_counter()
                        result = way.read()
                        way.seconds.append((time.perf_counter() - start) * way.scale)
                        del result
            floor = ways[0].seconds[1:]
            for way in ways:
                ratios = [one / least for one, least in zip(way.seconds[1:], floor, strict=True)]
                yield {
                    "file": title,
                    "MB": round(path.stat().st_size / 1e6),
                    "way": way.name,
                    "ms": round(1000 * statistics.median(way.seconds[1:]), 1),
                    "x floor": round(statistics.median(ratios), 2),
                }
            path.unlink()


def cases(folder: Path) -> Iterator[tuple[str, Path, list[Way]]]:
    """Yield title, file and ways; the file goes away afterwards."""
    source = np.random.default_rng(7)
    for width in (10, 100, 1000):
        one = Batch(
            source.normal(size=(100_000 // width, width)).astype(np.float32), np.ones(100_000 // width, np.float32)
        )
        path = repeated(folder / "dense", recordio.write(one), "dense")
        yield (
            f"A1 dense, {width} features",
            path,
            [*record_ways(path), Way("compiled core, one array", partial(mapped, path, width))],
        )
    path = repeated(folder / "uneven", uneven(source, 100), "dense")
    yield "A1 dense, 100 features, uid of any length", path, record_ways(path)
    path = repeated(folder / "sparse", recordio.write(sparse(source, 5000)), "sparse")
    yield "A2 sparse, 50 of 100,000", path, record_ways(path)
    path = repeated(folder / "rows.csv", table(source, 10_000, 30), "csv")
    yield "A3 CSV, 30 columns", path, csv_ways(path)
    path = repeated(folder / "rows.libsvm", pairs(source, 5000), "libsvm")
    yield "A3b libsvm, 50 pairs", path, libsvm_ways(path)


def repeated(path: Path, block: bytes, kind: str) -> Path:
    with path.open("wb") as file:
        for _ in range(max(1, SIZES[kind] * 1_000_000 // len(block))):
            file.write(block)
    return path


def uneven(source: np.random.Generator, width: int) -> bytes:
    records = []
    for number in range(1000):
        record = Record(uid="u" * (number % 7))
        record.features["values"].float32_tensor.values.extend(source.normal(size=width).tolist())
        record.label["values"].float32_tensor.values.append(1)
        records.append(recordio.frame(record.SerializeToString()))
    return b"".join(records)


def chosen(source: np.random.Generator) -> list[int]:
    return np.sort(source.choice(100_000, 50, replace=False)).tolist()


def sparse(source: np.random.Generator, count: int) -> Batch:
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    keys = np.concatenate([chosen(source) for _ in range(count)])
    matrix = csr_matrix(
        (source.normal(size=50 * count).astype(np.float32), keys, np.arange(count + 1) * 50), shape=(count, 100_000)
    )
    return Batch(matrix, np.ones(count, np.float32))


def table(source: np.random.Generator, count: int, columns: int) -> bytes:
    return "".join(
        ",".join(f"{cell:.5f}" for cell in row) + "\n" for row in source.normal(size=(count, columns))
    ).encode()


def pairs(source: np.random.Generator, count: int) -> bytes:
    lines = []
    for number in range(count):
        entries = zip(chosen(source), source.normal(size=50).tolist(), strict=True)
        lines.append(f"{number % 2} " + " ".join(f"{at}:{value:.6f}" for at, value in entries) + "\n")
    return "".join(lines).encode()


def floor(path: Path) -> Way:
    return Way("np.fromfile", lambda: np.fromfile(path, np.uint8))


def ours(path: Path, content_type: str) -> list[Way]:
    return [
        Way("sagecask, batch by batch", lambda: sum(map(len, batches(path, content_type)))),
        Way("sagecask, one matrix", lambda: concatenate(batches(path, content_type))),
        Way("sagecask, one matrix from a job's channel", lambda: channel(path, content_type).read(LAYOUT)),
    ]


def batches(path: Path, content_type: str) -> Iterator[Batch]:
    codec = codec_for(MediaType.parse(content_type))
    with path.open("rb") as stream:
        yield from codec.read(stream, LAYOUT, path.name)


def channel(path: Path, content_type: str) -> FileChannel:
    return FileChannel("train", path, MediaType.parse(content_type))


def record_ways(path: Path) -> list[Way]:
    data = path.read_bytes()[:PART_BYTES]
    data = data[: data.rindex(recordio.MAGIC)]
    package = Way("protobuf package and numpy, part", lambda: through_package(data), path.stat().st_size / len(data))
    return [floor(path), *ours(path, RECORDS), package]


def through_package(data: bytes) -> list[np.ndarray]:
    read = []
    for payload in recordio.records(io.BytesIO(data), "part"):
        record = Record.FromString(payload)
        tensor = record.features["values"].float32_tensor
        read += [
            np.array(tensor.values, np.float32),
            np.array(tensor.keys),
            np.array(record.label["values"].float32_tensor.values),
        ]
    return read


def mapped(path: Path, width: int) -> np.ndarray:
    assert core is not None, "the compiled core is needed"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        _, size, _ = core.frames(view[: 100 * width + 1000], 1, 2**30)
        shape = len(view) // size
        features, labels = np.empty((shape, width), np.float32), np.empty((shape, 1), np.float32)
        assert core.dense(view, features, labels) == (shape, len(view))
        return features


def csv_ways(path: Path) -> list[Way]:
    import polars  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = {f"c{number}": polars.Float32 for number in range(30)}
    options = csv.ReadOptions(autogenerate_column_names=True)
    data = path.read_bytes()[:PART_BYTES]
    data = data[: data.rindex(b"\n") + 1]
    return [
        Way("polars.read_csv", lambda: polars.read_csv(path, has_header=False)),
        Way(
            "polars.read_csv of float32, to_numpy",
            lambda: polars.read_csv(path, has_header=False, schema=names).to_numpy(),
        ),
        Way("pyarrow.csv", lambda: csv.read_csv(path, read_options=options)),
        Way(
            "np.loadtxt, part",
            lambda: np.loadtxt(io.BytesIO(data), np.float32, delimiter=","),
            path.stat().st_size / len(data),
        ),
        *ours(path, CSV),
        Way("compiled core, 1 thread, one array", lambda: matrix(path, 1)),
        Way("compiled core, 2 threads, one array", lambda: matrix(path, 2)),
    ]


def matrix(path: Path, threads: int) -> np.ndarray:
    assert core is not None, "the compiled core is needed"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        cuts = [0, *(view.find(b"\n", len(view) * part // threads) + 1 for part in range(1, threads)), len(view)]
        with memoryview(view) as whole, ThreadPoolExecutor(threads) as pool:
            parts = [whole[start:stop] for start, stop in pairwise(cuts)]
            ends = np.cumsum([0, *pool.map(core.count_lines, parts)])
            labels, features = np.empty((ends[-1], 1), np.float32), np.empty((ends[-1], 29), np.float32)
            spans = [slice(start, stop) for start, stop in pairwise(ends)]
            list(pool.map(lambda part, span: core.csv(part, ord(","), labels[span], features[span]), parts, spans))
            for part in parts:
                part.release()
        return features


def libsvm_ways(path: Path) -> list[Way]:
    import xgboost  # noqa: PLC0415
    from sklearn.datasets import load_svmlight_file  # noqa: PLC0415

    data = path.read_bytes()[:PART_BYTES]
    data = data[: data.rindex(b"\n") + 1]
    scale = path.stat().st_size / len(data)
    return [
        floor(path),
        *ours(path, LIBSVM),
        Way("XGBoost's loader", lambda: xgboost.DMatrix(f"{path}?format=libsvm", nthread=2)),
        Way("scikit-learn, part", lambda: load_svmlight_file(io.BytesIO(data)), scale),
    ]


if __name__ == "__main__":
    import run

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"files of {FULL_SIZES} MB instead of {SIZES}")
    if parser.parse_args().full:
        SIZES.update(FULL_SIZES)
    run.measure("data_plane", sys.modules[__name__])
