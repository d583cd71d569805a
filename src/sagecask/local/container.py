"""A command of sagecask as a container, through the engine's SDK."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagecask.errors import PlatformError, UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# tells the containers of this module from others
LABEL = "io.sagecask.local"


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine that a container sees at another place."""

    source: Path
    target: Path
    writable: bool = False


def engine() -> Any:  # noqa: ANN401 - the SDK is an extra and carries no types
    """Return a client of the engine that the environment names.

    Raises
    ------
    UsageError : the SDK is not installed
    PlatformError : no engine answers
    """
    try:
        docker = importlib.import_module("docker")
    except ModuleNotFoundError as error:
        raise UsageError(
            'engine: containers need the Docker SDK; install the extra with `pip install "sagecask[local]"`'
        ) from error
    try:
        return docker.from_env(timeout=600)
    except docker.errors.DockerException as error:
        raise PlatformError(f"engine: a Docker engine must answer; got {error}") from error


class Container:
    """`train` or `serve` in an image, as the caller's user with group 0, removed by `remove`."""

    def __init__(
        self,
        image: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        port: int | None = None,
        host: tuple[str, str] | None = None,
    ) -> None:
        """Start it; `port` of this machine's loopback interface leads to the one that it is told to bind, or 8080.

        `host` is its name in a network and that network's name; None is the engine's own.

        Raises
        ------
        UserError : the engine does not have the image
        PlatformError : the engine cannot start it
        """
        self._client = engine()
        self._errors = importlib.import_module("docker.errors")
        types = importlib.import_module("docker.types")
        try:
            self._container = self._client.containers.create(
                image,
                list(arguments),
                environment=dict(environment),
                mounts=[
                    types.Mount(str(mount.target), str(mount.source), type="bind", read_only=not mount.writable)
                    for mount in mounts
                ],
                user=f"{os.getuid()}:0",
                labels={LABEL: "true"},
                **self._in_network(*host) if host else {},
                ports={}
                if port is None
                else {f"{environment.get('SAGEMAKER_BIND_TO_PORT', 8080)}/tcp": ("127.0.0.1", port)},
            )
        except self._errors.ImageNotFound as error:
            raise UserError(
                f'image: must be in the engine, built by `sagecask build` or pulled; got "{image}", which is not'
            ) from error
        except self._errors.APIError as error:
            raise PlatformError(f"engine: must create a container of {image}; got {error.explanation}") from error
        try:
            self._container.start()
        except self._errors.APIError as error:
            self.remove()
            raise PlatformError(f"engine: must start a container of {image}; got {error.explanation}") from error

    def _in_network(self, name: str, network: str) -> dict[str, Any]:
        attached = self._client.api.create_endpoint_config(aliases=[name])
        return {"hostname": name, "network": network, "networking_config": {network: attached}}

    def lines(self) -> Iterator[str]:
        rest = b""
        for chunk in self._container.logs(stream=True, follow=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\r")
        if rest:
            yield rest.decode("utf-8", "replace")

    def stop(self) -> None:
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def wait(self) -> int:
        return int(self._container.wait(timeout=None)["StatusCode"])

    def remove(self) -> None:
        try:
            self._container.remove(force=True)
        except self._errors.NotFound:
            pass
        finally:
            self._client.close()

    def _signal(self, name: str) -> None:
        try:
            self._container.kill(name)
        except self._errors.APIError as error:
            # 409 and 404: it has ended, or is gone
            if error.response.status_code not in {404, 409}:
                raise PlatformError(f"engine: must send {name}; got {error.explanation}") from error
