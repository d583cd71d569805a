"""An endpoint of several models: servers, nginx before them, and changes without a lost request."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sagecask.errors import PlatformError, SagecaskError, UsageError
from sagecask.local.fleet import Fleet
from sagecask.local.front import Front, Terms
from sagecask.local.process import on_hangup, on_stop
from sagecask.local.running_file import RunningFile
from sagecask.local.variants import MEGABYTE, read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sagecask.local.run import Engine
    from sagecask.local.variants import EndpointConfig

POLL_SECONDS = 0.2


def serve_config(path: Path, port: int | None, engine: Engine, environ: Mapping[str, str]) -> int:
    """Serve the endpoint that a YAML file describes until SIGINT or SIGTERM; SIGHUP reads the file anew.

    port : in place of the file's

    Raises
    ------
    UsageError : the file is wrong, is served already, or nginx is not installed
    SagecaskError : a server, or nginx, does not start or ends
    """
    config = _read(path, port)
    changed = threading.Event()
    with RunningFile(path) as running, on_hangup(changed.set):

        def look(fleet: Fleet) -> None:
            if changed.is_set():
                changed.clear()
                running.changed(_change(fleet, config, lambda: _read(path, port)))

        return _serve(config, path.parent, (engine, environ), look, running.ready)


def serve_pipeline(config: EndpointConfig, engine: Engine, environ: Mapping[str, str]) -> int:
    """Serve models in series until SIGINT or SIGTERM; raises as `serve_config`."""
    return _serve(config, Path(), (engine, environ), lambda _: None, None)


def _read(path: Path, port: int | None) -> EndpointConfig:
    config = read_config(path)
    return config if port is None else config.model_copy(update={"port": port})


def _terms(config: EndpointConfig) -> Terms:
    return Terms(config.name, config.port, config.timeout_seconds, config.max_payload_mb * MEGABYTE)


def _serve(
    config: EndpointConfig,
    folder: Path,
    where: tuple[Engine, Mapping[str, str]],
    look: Callable[[Fleet], None],
    ready: Callable[[], None] | None,
) -> int:
    engine, environ = where
    stopped = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(on_stop([stopped.set], hangup=ready is None))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sagecask-front-")))
        front = Front(_terms(config), root, environ, click.echo)
        fleet = Fleet(front, folder, (engine, environ), click.echo, stopped)
        stack.callback(fleet.stop)
        # in-flight requests are answered before the servers go
        stack.callback(front.stop)
        try:
            fleet.update(config)
            front.start()
            if ready is not None:
                ready()
            click.echo(f"endpoint http://127.0.0.1:{config.port}, stop with Ctrl-C", err=True)
            while not stopped.wait(POLL_SECONDS):
                if front.ended():
                    raise PlatformError("endpoint: nginx must run until it is stopped; got its end")
                look(fleet)
                fleet.mend()
        except SagecaskError:
            # servers that are being started when the endpoint is stopped do not come up
            if not stopped.is_set():
                raise
    return 0


def _change(fleet: Fleet, started: EndpointConfig, read: Callable[[], EndpointConfig]) -> str | None:
    """Change the endpoint to what its file says now; return why it stays as it was, or None."""
    try:
        config = read()
        if _terms(config) != _terms(started):
            raise UsageError(
                "endpoint: name, port, timeout_seconds and max_payload_mb must stay while it runs; got others"
            )
        fleet.update(config)
    except SagecaskError as error:
        click.echo(f"sagecask: the endpoint stays as it was: {error}", err=True)
        return str(error)
    click.echo("endpoint changed", err=True)
    return None
