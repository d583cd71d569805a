"""What the platform gives a hosting container: variables and the model folder (contract §§9-14)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagecask.contract.variables import boolean, integer, listed
from sagecask.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagecask.contract.paths import Paths

# xgboost.md and the service model of InvokeEndpoint: 6 MiB
DEFAULT_MAX_BODY_BYTES = 6 * 1024 * 1024
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ServingJob:
    """One hosting container.

    model_dir : folder of the unpacked model, maybe read-only
    port : TCP port of every route
    workers : server processes
    timeout_seconds : time that one request may take
    max_body_bytes : larger request bodies get status 413; 0 is no limit
    default_accept : answer type where Accept is absent or `*/*`; None leaves it to the algorithm
    batch : whether a batch transform job is served
    batch_strategy : MULTI_RECORD as /execution-parameters is to spell it
    outputs : keys of selectable inference
    ensemble : whether all models of the folder answer together
    threads : threads that one prediction may use
    """

    model_dir: Path
    port: int
    workers: int
    timeout_seconds: int
    max_body_bytes: int
    default_accept: str | None
    batch: bool
    batch_strategy: str
    outputs: tuple[str, ...]
    ensemble: bool
    threads: int

    @classmethod
    def read(cls, paths: Paths, environ: Mapping[str, str]) -> ServingJob:
        """Read the variables of the documentation; sagecask's own come first where both exist.

        Raises
        ------
        UsageError : a variable has a value that it cannot have
        """
        batch = boolean(environ, "SAGEMAKER_BATCH")
        return cls(
            model_dir=paths.model,
            port=_port(environ),
            workers=integer(environ, ("SAGEMAKER_MODEL_SERVER_WORKERS",), available_cpus(), minimum=1),
            timeout_seconds=integer(
                environ,
                ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_MODEL_SERVER_TIMEOUT"),
                # a transform request may take 600 s (contract 12.12), a real-time one 60 s (10.4)
                600 if batch else 60,
                minimum=1,
            ),
            max_body_bytes=_max_body_bytes(environ),
            default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or None,
            batch=batch,
            batch_strategy=_batch_strategy(environ),
            outputs=listed(environ, "SAGEMAKER_INFERENCE_OUTPUT"),
            ensemble=boolean(environ, "SAGEMAKER_INFERENCE_ENSEMBLE", default=True),
            threads=integer(environ, ("OMP_NUM_THREADS",), 1, minimum=1),
        )


def _port(environ: Mapping[str, str]) -> int:
    port = integer(environ, ("SAGEMAKER_BIND_TO_PORT",), 8080, minimum=1)
    if port > MAX_PORT:
        raise UsageError(
            f'environment: variable SAGEMAKER_BIND_TO_PORT must be an integer in [1, {MAX_PORT}]; got "{port}"'
        )
    return port


def _batch_strategy(environ: Mapping[str, str]) -> str:
    # the platform says `true` and reads MULTI_RECORD; the SDK's local mode says `True` and raises on any spelling
    # but that of the API (contract 19.11, 19.12)
    return "MultiRecord" if environ.get("SAGEMAKER_BATCH", "").strip() == "True" else "MULTI_RECORD"


def _max_body_bytes(environ: Mapping[str, str]) -> int:
    megabytes = integer(environ, ("SAGEMAKER_MAX_PAYLOAD_IN_MB",), 0)
    # a transform job's MaxPayloadInMB is of its own making and beats the default of 6 MiB
    default = megabytes * 1024 * 1024 or DEFAULT_MAX_BODY_BYTES
    return integer(environ, ("MAX_CONTENT_LENGTH",), default)


def available_cpus() -> int:
    """Return the CPUs that this process may use: its affinity, cut to the cgroup's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _cgroup_quota() or allowed))


def _cgroup_quota() -> int | None:
    """Return whole CPUs of the cgroup's quota (version 2, then 1), or None without one."""
    sources = (
        ("/sys/fs/cgroup/cpu.max",),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    )
    for paths in sources:
        try:
            words = " ".join(Path(path).read_text(encoding="ascii") for path in paths).split()
        except OSError:
            continue
        if len(words) == 2 and all(word.isdigit() for word in words):
            return max(1, round(int(words[0]) / int(words[1])))
    return None
