"""Hosts as processes of their own, each with its own address."""

import subprocess
import sys

import pytest

from sagecask.cluster import Cluster
from sagecask.local.ports import free_port

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
PROGRAM = """
import os, sys
import numpy as np
from sagecask.cluster import Cluster
from sagecask.errors import PlatformError
cluster = Cluster(tuple(sys.argv[3].split(",")), sys.argv[1], "eth0", int(sys.argv[2]), int(sys.argv[4]))
rank = cluster.rank
try:
{body}
    cluster.leave()
except PlatformError as error:
    print(error)
    sys.exit(3)
"""


def run(body: str, running: int, timeout_seconds: int = 60) -> list[tuple[int, str]]:
    """Return exit code and output of the first hosts of three, which run a program."""
    program = PROGRAM.format(body="".join(f"    {line}\n" for line in body.strip().splitlines()))
    port = str(free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, host, port, ",".join(HOSTS), str(timeout_seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for host in HOSTS[:running]
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


def test_sums_gathers_and_broadcasts_reach_every_host() -> None:
    ended = run(
        """
a, b, n = np.arange(3.0) * (rank + 1), np.full((2, 2), rank, np.float32), np.array([rank], np.int64)
cluster.sum(a, b, n)
print(a.tolist(), b.tolist(), n.tolist())
print([each.tolist() for each in cluster.gather(np.full((rank, 2), rank, np.float32))])
first = np.array([rank + 5.0])
cluster.broadcast(first)
print(first.tolist(), cluster.any(rank == 2), cluster.any(False))
        """,
        running=3,
    )
    expected = (
        "[0.0, 6.0, 12.0] [[3.0, 3.0], [3.0, 3.0]] [3]\n"
        "[[], [[1.0, 1.0]], [[2.0, 2.0], [2.0, 2.0]]]\n"
        "[5.0] True False\n"
    )
    assert ended == [(0, expected)] * 3


def test_the_end_of_one_host_ends_the_others_with_a_sentence() -> None:
    ended = run("cluster.any(False)\nif rank == 2: os._exit(7)\ncluster.any(False)\ncluster.any(False)", running=3)
    assert [code for code, _ in ended] == [3, 3, 7]
    for host, (_, output) in zip(HOSTS[:2], ended, strict=False):
        assert output.startswith(
            f"{host}: every host must stay until the job's end; one has ended or cannot be reached"
        )


def test_hosts_that_never_come_are_named() -> None:
    ended = run("cluster.any(False)", running=2, timeout_seconds=3)
    for host, (code, output) in zip(HOSTS, ended, strict=False):
        assert code == 3
        assert f"{host}: all 3 hosts ({', '.join(HOSTS)}) must meet at 127.0.0.1, port " in output


def test_hosts_that_part_in_the_middle_end_as_they_say() -> None:
    ended = run("cluster.any(False)\ncluster.abandon()\ncluster.abandon()\nprint('over')\nsys.exit(1)", running=3)
    assert ended == [(1, "over\n")] * 3


def test_one_host_needs_no_engine() -> None:
    code = (
        "import sys, numpy as np; from sagecask.cluster import Cluster; cluster = Cluster(('a',), 'a')\n"
        "array = np.ones(2); cluster.sum(array); cluster.broadcast(array); cluster.any(True); cluster.leave()\n"
        "assert array.tolist() == [1, 1] and cluster.gather(array)[0] is array and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("hosts", [("algo-1", "algo-10", "algo-2")])
def test_the_first_host_in_text_order_is_the_master(hosts: tuple[str, ...]) -> None:
    assert [Cluster(hosts, host).is_master for host in hosts] == [True, False, False]
