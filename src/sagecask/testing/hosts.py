"""One training job on several hosts: a process each, every one with an address of its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sagecask.local.ports import free_port
from sagecask.testing.job_directory import JobDirectory, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from subprocess import Popen

HOSTS = ("127.0.0.1", "127.0.0.2")


def on_two_hosts(example: Path, folder: Path, *, sharded: bool = False) -> list[JobDirectory]:
    """Return an example's job as each of two hosts sees it.

    sharded : files of the channel `train` are dealt out in turn, as ShardedByS3Key does; else both hosts have all
    """
    jobs = [JobDirectory.copy_of(example, folder / host).host(host, HOSTS) for host in HOSTS]
    if sharded:
        for rank, job in enumerate(jobs):
            files = sorted(path for path in job.paths.channel("train").rglob("*") if path.is_file())
            for path in files[1 - rank :: 2]:
                path.unlink()
            channels = json.loads(job.paths.input_data_config.read_text())
            channels["train"]["S3DistributionType"] = "ShardedByS3Key"
            job.paths.input_data_config.write_text(json.dumps(channels))
    return jobs


def train_on_hosts(
    jobs: Sequence[JobDirectory],
    algorithm: str,
    meanwhile: Callable[[Sequence[Popen[str]]], object] | None = None,
    timeout_seconds: float = 240,
) -> list[Outcome]:
    """Run the job on all of its hosts to its end; `meanwhile` gets the processes once all have started."""
    environ = {"SAGECASK_RENDEZVOUS_PORT": str(free_port()), "SAGECASK_RENDEZVOUS_TIMEOUT_SECONDS": "60"}
    processes = [job.start(algorithm, environ) for job in jobs]
    try:
        if meanwhile:
            meanwhile(processes)
        # read side by side: a full pipe would hold up a host that another one waits for
        with ThreadPoolExecutor(len(processes)) as readers:
            logs = list(readers.map(lambda process: process.communicate(timeout=timeout_seconds)[0], processes))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [
        Outcome(process.returncode, log, job.failure) for process, log, job in zip(processes, logs, jobs, strict=True)
    ]
