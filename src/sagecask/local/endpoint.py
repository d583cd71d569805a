"""A model served on this machine: unpacked where needed, started as process or container, asked until it answers."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagecask import artifact, registry
from sagecask.contract.paths import Paths
from sagecask.errors import ModelDataError, PlatformError, SagecaskError, UsageError, UserError
from sagecask.local.container import Container, Mount
from sagecask.local.ping import wait_for_ping
from sagecask.local.ports import free_port
from sagecask.local.process import HostProcess, on_stop
from sagecask.local.run import default_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagecask.local.process import Running
    from sagecask.local.run import Engine

# the platform gives a container eight minutes at most (contract 10.2)
START_SECONDS = 480
# the platform kills a hosting container 30 s after SIGTERM
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class EndpointDescription:
    """A model and how to serve it.

    model : folder or archive; None where an image brings its own
    algorithm : None leaves it to the model's manifest, or to the image
    image : image of the container engine; None is the algorithm's own
    port : of the loopback interface; 0 takes a free one
    """

    model: Path | None
    algorithm: str | None = None
    image: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that has answered /ping."""

    port: int
    running: Running
    ended: threading.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, message: str) -> SagecaskError:
        """Return the error of a server that has ended, of the kind that its exit code tells."""
        code = self.running.wait()
        kind = {UserError.exit_code: UserError, UsageError.exit_code: UsageError}.get(code, PlatformError)
        return kind(f"endpoint: {message} (exit code {code})")


@contextmanager
def serving(
    description: EndpointDescription,
    engine: Engine,
    environ: Mapping[str, str],
    log: Callable[[str], None],
    stopped: threading.Event,
) -> Iterator[Endpoint]:
    """Start a server and wait until /ping answers 200, or `stopped`; stop it and remove what it left at the end.

    Raises
    ------
    ModelDataError : the model is not there, or its archive cannot be unpacked safely
    PlatformError : the server ends, or does not answer in time
    """
    with tempfile.TemporaryDirectory(prefix="sagecask-endpoint-") as name:
        root = Path(name)
        model = _model_folder(description.model, root)
        running, port = _start(description, model, root, engine, environ)
        ended = threading.Event()
        tail: deque[str] = deque(maxlen=5)

        def relay() -> None:
            for line in running.lines():
                tail.append(line)
                log(line)
            ended.set()

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        try:
            endpoint = Endpoint(port, running, ended)
            _wait_for_ping(endpoint, stopped, tail)
            yield endpoint
        finally:
            _stop(running, ended)
            thread.join(STOP_SECONDS)
            running.remove()


def serve_until_stopped(description: EndpointDescription, engine: Engine, environ: Mapping[str, str]) -> int:
    """Serve a model until SIGINT or SIGTERM; return 0 then, and the server's exit code when it ends by itself."""
    stopped = threading.Event()
    with on_stop([stopped.set]), serving(description, engine, environ, click.echo, stopped) as endpoint:
        if not stopped.is_set():
            click.echo(f"endpoint {endpoint.url}, stop with Ctrl-C", err=True)
            click.echo(f"curl --data-binary @rows.csv -H 'Content-Type: text/csv' {endpoint.url}/invocations", err=True)
        while not stopped.is_set():
            if endpoint.ended.wait(0.2):
                raise endpoint.fault("the server must run until it is stopped; got its end")
    return 0


def _model_folder(model: Path | None, root: Path) -> Path | None:
    if model is None:
        return None
    if model.is_dir():
        if not any(model.iterdir()):
            raise ModelDataError(f'endpoint: the model folder must hold a model; got "{model}", which is empty')
        return model.resolve()
    if not model.is_file():
        raise ModelDataError(f'endpoint: the model must be a folder or an archive; got "{model}", which does not exist')
    folder = Paths(root).model
    artifact.unpack(model, folder)
    return folder


def _start(
    description: EndpointDescription, model: Path | None, root: Path, engine: Engine, environ: Mapping[str, str]
) -> tuple[Running, int]:
    algorithm = description.algorithm or (artifact.algorithm_of(model) if model else None) or registry.only()
    port = description.port or free_port()
    environment = dict(description.environment)
    if algorithm:
        environment["SAGECASK_ALGORITHM"] = algorithm
    if engine == "docker":
        image = description.image or (default_image(algorithm) if algorithm else None)
        if image is None:
            raise UsageError(
                "endpoint: --image or --algorithm must be given, the model does not name its algorithm; got none"
            )
        mounts = [Mount(model, Paths().model)] if model else []
        return Container(image, ["serve"], environment, mounts, port), port
    paths = Paths(root)
    if model is None:
        raise UsageError("endpoint: a model must be given where no image brings it; got none")
    if model != paths.model:
        paths.model.symlink_to(model, target_is_directory=True)
    command = ["serve", "--root", str(root), "--port", str(port)]
    return HostProcess(command, {**environ, **environment}), port


def _wait_for_ping(endpoint: Endpoint, stopped: threading.Event, tail: deque[str]) -> None:
    if wait_for_ping(endpoint.port, START_SECONDS, lambda: stopped.is_set() or endpoint.ended.is_set()):
        return
    if endpoint.ended.is_set() and not stopped.is_set():
        raise endpoint.fault(f"the server must answer /ping; got its end, after: {' | '.join(tail)}")
    if not stopped.is_set():
        raise PlatformError(f"endpoint: the server must answer /ping within {START_SECONDS} s; got none")


def _stop(running: Running, ended: threading.Event) -> None:
    running.stop()
    if not ended.wait(STOP_SECONDS):
        running.kill()
    running.wait()
