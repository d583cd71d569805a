"""Other applications behind sagecask's own server: `python worker.py hello` or `python worker.py routed`.

`hello` is the floor; `routed` is the model with the way past Flask's routing shut.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hello import app as hello

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.contract import Paths, ServingJob
from sagecask.serve.app import create_app
from sagecask.serve.server import Server
from sagecask.serve.workers import KEEP_ALIVE_SECONDS, THREADS

if TYPE_CHECKING:
    from sagecask.serve.app import Application


def routed() -> Application:
    """Return the application of the model, all of whose requests go by the routes."""
    job = ServingJob.read(Paths(Path(os.environ["SAGECASK_ROOT"])), os.environ)
    algorithm = registry.load("xgboost")
    app = create_app(job, algorithm, algorithm.load(job.model_dir, InferenceSettings()))
    app.plain = None
    return app


def main() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])))
    settings = {"bind": f"fd://{listener.detach()}", "workers": 1, "threads": THREADS, "keepalive": KEEP_ALIVE_SECONDS}
    app = hello if sys.argv[1] == "hello" else routed()
    return Server(app, 60, settings | {"control_socket_disable": True}).serve()


if __name__ == "__main__":
    sys.exit(main())
