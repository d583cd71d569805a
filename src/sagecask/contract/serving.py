"""What the platform gives a hosting container: variables and the model folder (contract §§9-14)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
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
# where KServe lays the model
KSERVE_MODEL_DIR = Path("/mnt/models")
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MultiModelEndpoint:
    """What a container of many models keeps to.

    reserve_bytes : memory that loading a model must leave free
    max_models : models in memory at a time; 0 is no limit
    evict : whether the model that was not asked for longest makes room, instead of status 507
    """

    reserve_bytes: int
    max_models: int
    evict: bool


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
    multi_model : set on multi-model endpoints, where models come by requests
    model_name : name of the model in the Open Inference Protocol; None takes the algorithm's
    metrics_port : TCP port of /metrics where it has one of its own
    environment : all variables that are set and not empty, of which an algorithm gets those that it declares
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
    multi_model: MultiModelEndpoint | None = None
    model_name: str | None = None
    metrics_port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, paths: Paths, environ: Mapping[str, str]) -> ServingJob:
        """Read the variables of the documentation; sagecask's own come first where both exist.

        Raises
        ------
        UsageError : a variable has a value that it cannot have
        """
        batch = boolean(environ, "SAGEMAKER_BATCH")
        return cls(
            model_dir=_model_dir(paths, environ),
            port=_port(environ, ("SAGEMAKER_BIND_TO_PORT", "PORT"), 8080),
            workers=integer(
                environ, ("SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_SERVER_WORKERS"), available_cpus(), minimum=1
            ),
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
            multi_model=_multi_model(environ),
            model_name=environ.get("MODEL_NAME") or None,
            metrics_port=_port(environ, ("SAGECASK_METRICS_PORT",), 0) or None,
            environment={name: text for name, text in environ.items() if text.strip()},
        )


def _model_dir(paths: Paths, environ: Mapping[str, str]) -> Path:
    """Return the folder that a variable names, the platform's, or where that is absent those of other servers."""
    if environ.get("SAGECASK_MODEL_DIR"):
        return Path(environ["SAGECASK_MODEL_DIR"])
    elsewhere = (Path(environ["MODEL_DIR"]) if environ.get("MODEL_DIR") else paths.model, KSERVE_MODEL_DIR)
    return next((folder for folder in (paths.model, *elsewhere) if folder.is_dir()), paths.model)


def _multi_model(environ: Mapping[str, str]) -> MultiModelEndpoint | None:
    # exactly so: any other spelling is not the platform's (contract 11.1)
    if environ.get("SAGEMAKER_MULTI_MODEL") != "true":
        return None
    return MultiModelEndpoint(
        reserve_bytes=integer(environ, ("SAGECASK_MEMORY_RESERVE_MB",), 256) * MEGABYTE,
        max_models=integer(environ, ("SAGECASK_MAX_MODELS",), 0),
        evict=boolean(environ, "SAGECASK_EVICT_MODELS"),
    )


def _port(environ: Mapping[str, str], names: tuple[str, ...], default: int) -> int:
    port = integer(environ, names, default, minimum=1)
    if port > MAX_PORT:
        given = next(name for name in names if environ.get(name, "").strip())
        raise UsageError(f'environment: variable {given} must be an integer in [1, {MAX_PORT}]; got "{port}"')
    return port


def _batch_strategy(environ: Mapping[str, str]) -> str:
    # the platform says `true` and reads MULTI_RECORD; the SDK's local mode says `True` and raises on any spelling
    # but that of the API (contract 19.11, 19.12)
    return "MultiRecord" if environ.get("SAGEMAKER_BATCH", "").strip() == "True" else "MULTI_RECORD"


def _max_body_bytes(environ: Mapping[str, str]) -> int:
    megabytes = integer(environ, ("SAGEMAKER_MAX_PAYLOAD_IN_MB",), 0)
    # a transform job's MaxPayloadInMB is of its own making and beats the default of 6 MiB
    default = megabytes * MEGABYTE or DEFAULT_MAX_BODY_BYTES
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
