"""The server: one model loaded once, worker processes forked from it, a master that replaces those that die.

Only the standard library is imported before the first handler is set: as the first process of a container this one
ignores SIGTERM until then (contract 19.21).
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import socket
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType

    from sagecask.contract import ServingJob
    from sagecask.serve.service import Service

# SIGKILL follows SIGTERM after 10 s where a person stops the container, after 30 s on the platform (contract 9.6)
DRAIN_SECONDS = 8
# idle connections of a load balancer live for 60 s
KEEP_ALIVE_SECONDS = 65
# most wait for bytes; enough of them that a ping finds one while others compute
THREADS = 16

_log = logging.getLogger(__name__)


def main(root: Path, algorithm: str | None, environ: Mapping[str, str]) -> int:
    """Serve the model below `root` until SIGTERM and return the exit code: 0; 1 the user's fault; 2 usage; 3 ours."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    # a damaged model can end the process inside the library that reads it; then at least the log says where
    faulthandler.enable()
    # imports make no garbage; looking for it costs an eighth of the start
    gc.disable()

    from sagecask import logs  # noqa: PLC0415 - the handlers come first
    from sagecask.contract import Paths, ServingJob  # noqa: PLC0415
    from sagecask.errors import SagecaskError  # noqa: PLC0415

    try:
        logs.configure(environ)
        return _serve(ServingJob.read(Paths(root), environ), algorithm)
    except SagecaskError as error:
        _log.error("%s: %s", error.kind, error, exc_info=error.exit_code == SagecaskError.exit_code)
        return error.exit_code
    except Exception:  # noqa: BLE001 - the library that loads the model may raise anything; requests have another
        _log.exception("InternalServerError: the server could not start")
        return SagecaskError.exit_code


def _leave(_number: int, _frame: FrameType | None) -> None:
    # nothing is under way before gunicorn has its own handlers
    os._exit(0)


def _serve(job: ServingJob, name: str | None) -> int:
    # before the numeric libraries are loaded: each worker has a core, none a pool of threads of its own
    os.environ.setdefault("OMP_NUM_THREADS", str(job.threads))
    listeners = [_bind(port) for port in (job.port, job.metrics_port) if port]

    from sagecask.serve.service import many_models, one_model  # noqa: PLC0415 - OMP_NUM_THREADS comes first

    with (many_models if job.multi_model else one_model)(job, name) as service:
        return _answer(job, service, listeners)


def _answer(job: ServingJob, service: Service, listeners: list[socket.socket]) -> int:
    from sagecask.serve.server import Server  # noqa: PLC0415

    # what is loaded now is not looked at again and stays shared between the workers' memory
    gc.freeze()
    gc.enable()
    _log.info("%s on port %d with %d workers", service.title, job.port, service.workers)
    settings = _settings(job, service, listeners)
    return Server(service.app, job.timeout_seconds, settings, service.app.max_body_bytes).serve()


def _bind(port: int) -> socket.socket:
    """Take the port before the model is loaded, so that a port in use is known at once; nothing listens yet."""
    from sagecask.errors import PlatformError  # noqa: PLC0415

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("0.0.0.0", port))  # noqa: S104 - the platform connects from outside
    except OSError as error:
        listener.close()
        raise PlatformError(f"port {port}: free for this server; got {error.strerror}") from error
    return listener


def _settings(job: ServingJob, service: Service, listeners: list[socket.socket]) -> dict[str, Any]:
    from sagecask.serve.crowd import connection_limit  # noqa: PLC0415

    return {
        "bind": [f"fd://{listener.detach()}" for listener in listeners],
        "workers": service.workers,
        **service.hooks(),
        "threads": THREADS,
        # of a process that does not come to its loop at all; requests have a watch of their own
        "timeout": job.timeout_seconds,
        "graceful_timeout": DRAIN_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        # all of them wait in one process where the others are busy
        "worker_connections": connection_limit(),
        # the root file system may be read-only
        "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir(),  # noqa: S108
        "control_socket_disable": True,
        "proc_name": "sagecask",
    }
