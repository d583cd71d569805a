"""The servers of an endpoint of variants: started, put into the table of routes, replaced when they die, drained."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sagecask.errors import PlatformError
from sagecask.local.endpoint import serving
from sagecask.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sagecask.local.endpoint import Endpoint, EndpointDescription
    from sagecask.local.front import Front
    from sagecask.local.run import Engine
    from sagecask.local.variants import EndpointConfig, Variant

# ports beside its own that each container may take (contract 9.5)
SAFE_PORTS = 10
# starts at a time: loading a model takes a core
STARTS = 4


@dataclass(frozen=True, slots=True)
class Instance:
    """Running containers in series."""

    names: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    stack: ExitStack

    @property
    def ended(self) -> bool:
        return any(each.ended.is_set() for each in self.endpoints)

    def route(self) -> list[dict[str, Any]]:
        return [{"name": name, "port": each.port} for name, each in zip(self.names, self.endpoints, strict=True)]


@dataclass(frozen=True, slots=True)
class _Group:
    """Instances of one variant, and what they were started from."""

    made_of: tuple[tuple[EndpointDescription, str], ...]
    instances: list[Instance]


class Fleet:
    """All servers of one endpoint."""

    def __init__(
        self,
        front: Front,
        folder: Path,
        where: tuple[Engine, Mapping[str, str]],
        log: Callable[[str], None],
        stopped: threading.Event,
    ) -> None:
        """Have no servers yet; `where` is the engine and the environment of its processes.

        Models with relative paths lie below `folder`; `stopped` gives up servers that are being started.
        """
        self._front = front
        self._folder = folder
        self._engine, self._environ = where
        self._log = log
        self._stopped = stopped
        self._closing = threading.Event()
        self._config: EndpointConfig | None = None
        self._groups: dict[str, _Group] = {}
        self._drains: list[threading.Thread] = []

    def update(self, config: EndpointConfig) -> None:
        """Start what is new, route to it, and stop what is old once no request can be on its way to it.

        Servers whose description, model and number stay are left alone. Nothing changes where one does not start.

        Raises
        ------
        SagecaskError : a server does not start
        """
        made_of = {variant.name: self._made_of(variant) for variant in config.variants}
        kept: dict[str, _Group] = {}
        wanted: list[Variant] = []
        for variant in config.variants:
            old = self._groups.get(variant.name)
            same = old.instances if old is not None and old.made_of == made_of[variant.name] else []
            kept[variant.name] = _Group(made_of[variant.name], same[: variant.instances])
            wanted += [variant] * (variant.instances - len(same))
        for variant, instance in zip(wanted, self._started(wanted), strict=True):
            kept[variant.name].instances.append(instance)
        before = [instance for group in self._groups.values() for instance in group.instances]
        self._config, self._groups = config, kept
        self._route()
        alive = {id(instance) for group in kept.values() for instance in group.instances}
        self._drain([each for each in before if id(each) not in alive])

    def mend(self) -> None:
        """Route around instances that have ended, and start others in their place.

        Raises
        ------
        SagecaskError : one does not start anew
        """
        assert self._config is not None
        lost: list[Variant] = []
        for variant in self._config.variants:
            instances = self._groups[variant.name].instances
            for instance in [each for each in instances if each.ended]:
                self._log(f"{variant.name}: a server has ended and is started anew")
                # the last one stays in the table, so that requests get its refusal rather than none
                if len(instances) > 1:
                    instances.remove(instance)
                lost.append(variant)
                self._drain([instance])
        if not lost:
            return
        self._route()
        for variant, instance in zip(lost, self._started(lost), strict=True):
            instances = self._groups[variant.name].instances
            instances[:] = [each for each in instances if not each.ended] + [instance]
        self._route()

    def stop(self) -> None:
        """Stop all servers."""
        self._closing.set()
        running = [each.stack for group in self._groups.values() for each in group.instances]
        with ThreadPoolExecutor(max(1, len(running))) as pool:
            list(pool.map(ExitStack.close, running))
        for thread in self._drains:
            thread.join()

    def _route(self) -> None:
        config = self._config
        assert config is not None
        capture = config.data_capture
        self._front.route(
            {
                "endpoint": config.name,
                "variants": [
                    {"name": each.name, "weight": each.initial_weight, "instances": self._routes(each)}
                    for each in config.production_variants
                ],
                "shadows": [
                    {
                        "name": each.name,
                        "sampling_percentage": each.sampling_percentage,
                        "instances": self._routes(each),
                    }
                    for each in config.shadow_variants
                ],
                "capture": capture
                and {
                    "folder": str(capture.folder),
                    "sampling_percentage": capture.sampling_percentage,
                    "input": "Input" in capture.capture,
                    "output": "Output" in capture.capture,
                    "csv_content_types": [each.lower() for each in capture.csv_content_types],
                    "json_content_types": [each.lower() for each in capture.json_content_types],
                    "max_file_bytes": int(capture.max_file_mb * 1024 * 1024),
                },
            }
        )

    def _routes(self, variant: Variant) -> list[list[dict[str, Any]]]:
        return [each.route() for each in self._groups[variant.name].instances]

    def _made_of(self, variant: Variant) -> tuple[tuple[EndpointDescription, str], ...]:
        found = [container.description(self._folder) for container in variant.series]
        return tuple((each, _stamp(each.model) if each.model else "") for each in found)

    def _started(self, wanted: list[Variant]) -> list[Instance]:
        """Return running instances in the order of `wanted`, or none and the first error."""
        with ThreadPoolExecutor(STARTS) as pool:
            futures = [pool.submit(self._start, variant) for variant in wanted]
        faults = [future.exception() for future in futures if future.exception() is not None]
        if not faults:
            return [future.result() for future in futures]
        for future in futures:
            if future.exception() is None:
                future.result().stack.close()
        raise faults[0] or PlatformError("endpoint: must start; got no reason")

    def _start(self, variant: Variant) -> Instance:
        names, endpoints = [], []
        with ExitStack() as stack:
            for number, container in enumerate(variant.series, start=1):
                name = container.hostname or f"container-{number}"
                endpoint = stack.enter_context(self._serving(variant, name, container.description(self._folder)))
                names.append(name)
                endpoints.append(endpoint)
            if self._stopped.is_set():
                raise PlatformError("endpoint: must start all servers; got its end before")
            return Instance(tuple(names), tuple(endpoints), stack.pop_all())

    def _serving(self, variant: Variant, name: str, description: EndpointDescription) -> Any:  # noqa: ANN401
        def log(line: str) -> None:
            self._log(f"{variant.name}, {name}: {line}")

        if len(variant.series) > 1:
            port = free_port(1 + SAFE_PORTS)
            safe = f"{port + 1}-{port + SAFE_PORTS}"
            ports = {"SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_SAFE_PORT_RANGE": safe}
            description = replace(description, port=port, environment={**description.environment, **ports})
        return serving(description, self._engine, self._environ, log, self._stopped)

    def _drain(self, instances: list[Instance]) -> None:
        """Stop instances in the background, when requests that were routed to them have been answered."""
        if not instances:
            return
        config = self._config
        assert config is not None

        def stop() -> None:
            for instance in instances:
                if not instance.ended:
                    self._closing.wait(config.timeout_seconds * len(instance.endpoints))
                instance.stack.close()

        self._drains = [each for each in self._drains if each.is_alive()]
        self._drains.append(threading.Thread(target=stop))
        self._drains[-1].start()


def _stamp(model: Path) -> str:
    """Return what changes when a model folder or archive is written anew."""
    files = sorted(each for each in model.rglob("*") if each.is_file()) if model.is_dir() else [model]
    digest = hashlib.sha256()
    for file in files:
        if file.exists():
            about = file.stat()
            digest.update(f"{file} {about.st_size} {about.st_mtime_ns} {about.st_ino}\n".encode())
    return digest.hexdigest()
