"""Files of ten times the memory that a process may still take, in every input mode."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sagecask.formats import Batch, recordio

LIMIT_BYTES = 64 * 1024 * 1024
# imports and a first small epoch come before the limit, as they do not grow with the data
CHILD = """
import resource, sys
from pathlib import Path
from sagecask.channels import open_channel
from sagecask.contract import ChannelConfig
from sagecask.formats import Layout, MediaType

folder, mode, content_type, limit = Path(sys.argv[1]), sys.argv[2], MediaType.parse(sys.argv[3]), int(sys.argv[4])

def rows(name):
    channel = open_channel(ChannelConfig(name, mode), folder / name, content_type, 60)
    return sum(len(batch) for batch in channel.batches(Layout(label_size=1)))

rows("small")
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limit,) * 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = rows("large")
print(count, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def csv_block() -> tuple[bytes, int]:
    line = b",".join(b"%d.5" % (number % 10) for number in range(50)) + b"\n"
    return line * 10_000, 10_000


def record_block() -> tuple[bytes, int]:
    return recordio.write(Batch(np.ones((500, 1000), np.float32), np.ones(500, np.float32))), 500


BLOCKS: dict[str, Callable[[], tuple[bytes, int]]] = {
    "text/csv": csv_block,
    "application/x-recordio-protobuf": record_block,
}


@pytest.mark.slow
@pytest.mark.parametrize("content_type", BLOCKS)
@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_ten_times_the_memory_streams(tmp_path: Path, mode: str, content_type: str):
    block, block_rows = BLOCKS[content_type]()
    times = 10 * LIMIT_BYTES // len(block) + 1
    for name, count in (("small", 4), ("large", times)):
        place = tmp_path / name
        if mode == "Pipe":
            os.mkfifo(f"{place}_0")
            continue
        place.mkdir()
        with (place / "rows").open("wb") as file:
            for _ in range(count):
                file.write(block)
    (tmp_path / "block").write_bytes(block)
    writers = []
    if mode == "Pipe":
        for name, count in (("small", 4), ("large", times)):
            script = f'exec > "$0"; for each in $(seq {count}); do cat "$1"; done'
            writers.append(subprocess.Popen(["sh", "-c", script, f"{tmp_path / name}_0", str(tmp_path / "block")]))
    try:
        # two processors, since blocks are decoded side by side; one arena, since each reserves 64 MiB of addresses
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path), mode, content_type, str(LIMIT_BYTES)],
            capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2]),
        )  # fmt: skip
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert child.returncode == 0, child.stderr
    rows, grown = map(int, child.stdout.split())
    assert rows == times * block_rows
    assert grown < LIMIT_BYTES
    for path in (tmp_path / "large").glob("*"):
        path.unlink()
