"""What a local training job is to do: from options or a YAML file to one frozen value."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sagecask.errors import UsageError
from sagecask.local.channel import LocalChannel, checked, from_yaml, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# enough for any test on one machine; the addresses of processes end at 127.0.0.254
MAX_HOSTS = 64


@dataclass(frozen=True, slots=True)
class JobDescription:
    """A training job before it has a place to run.

    hyperparameters : strings, as the platform would hand them over
    image : image of the container engine; None is the algorithm's own
    output : folder that receives model, model.tar.gz and output; None is one named after the job
    checkpoints : folder that outlives the job; None keeps no checkpoints
    hosts : how many hosts of this machine the job runs on
    """

    algorithm: str
    channels: Mapping[str, LocalChannel] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    output: Path | None = None
    checkpoints: Path | None = None
    hosts: int = 1

    def with_channels(self, paths: Mapping[str, Path]) -> JobDescription:
        """Return a copy in which channels have the given paths; what else a channel says stays."""
        merged = dict(self.channels)
        for name, path in paths.items():
            merged[name] = replace(merged[name], path=path) if name in merged else LocalChannel(path)
        return replace(self, channels=merged)

    def of_host(self, rank: int) -> JobDescription:
        """Return the job as one of its hosts is given it."""
        channels = {name: channel.of_host(rank, self.hosts) for name, channel in self.channels.items()}
        return replace(self, channels=channels)

    def checked(self) -> JobDescription:
        """Return the description with absolute paths.

        Raises
        ------
        UsageError : a channel's name, path or input mode cannot be
        """
        if not self.channels:
            raise UsageError("run: a training job must have at least one channel; got none")
        if not 1 <= self.hosts <= MAX_HOSTS:
            raise UsageError(f"run: hosts must be in [1, {MAX_HOSTS}]; got {self.hosts}")
        return replace(self, channels={name: checked(name, channel) for name, channel in self.channels.items()})


def read_yaml(path: Path) -> JobDescription:
    """Read a job from a YAML file; relative paths in it are relative to its folder.

    Raises
    ------
    UsageError : the file is no YAML, has an unknown key or a value of another kind, or PyYAML is missing
    """
    return from_mapping(yaml_mapping(path), path)


def yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file.

    Raises
    ------
    UsageError : the file is no YAML or holds something else, or PyYAML is missing
    """
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError as error:
        raise UsageError(
            'run: job files need PyYAML; install the extra with `pip install "sagecask[local]"`'
        ) from error
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the file must be YAML in UTF-8; got {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: the file must hold a mapping; got {type(content).__name__}")
    return content


def from_mapping(content: Mapping[str, Any], source: Path) -> JobDescription:
    """Return the job that a parsed file describes; `source` is the file, for messages and relative paths.

    Raises
    ------
    UsageError : a key is unknown or missing, or a value is of another kind
    """
    keys = ("algorithm", "channels", "hyperparameters", "environment", "image", "output", "checkpoints", "hosts")
    refuse_unknown(content, keys, str(source))
    folder = source.parent
    where = f"{source}, channels"
    channels = {
        str(name): from_yaml(value, folder, f'{where}, "{name}"')
        for name, value in _mapping(content, "channels", source).items()
    }
    return JobDescription(
        algorithm=_text(content, "algorithm", source) or _missing(source, "algorithm"),
        channels=channels,
        hyperparameters=_strings(content, "hyperparameters", source),
        environment=_strings(content, "environment", source),
        image=_text(content, "image", source),
        output=_path(content, "output", source),
        checkpoints=_path(content, "checkpoints", source),
        hosts=_number(content, "hosts", 1, source),
    )


def _number(content: Mapping[str, Any], key: str, default: int, source: Path) -> int:
    value = content.get(key, default)
    if not isinstance(value, int):
        raise UsageError(f'{source}: "{key}" must be a whole number; got {type(value).__name__}')
    return value


def _missing(source: Path, key: str) -> str:
    raise UsageError(f'{source}: must have the key "{key}"; got none')


def _mapping(content: Mapping[str, Any], key: str, source: Path) -> Mapping[str, Any]:
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f'{source}: "{key}" must be a mapping; got {type(value).__name__}')
    return value


def _text(content: Mapping[str, Any], key: str, source: Path) -> str | None:
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f'{source}: "{key}" must be text; got {type(value).__name__}')
    return value


def _path(content: Mapping[str, Any], key: str, source: Path) -> Path | None:
    value = _text(content, key, source)
    return source.parent / value if value else None


def _strings(content: Mapping[str, Any], key: str, source: Path) -> dict[str, str]:
    return {
        str(name): value if isinstance(value, str) else _json(value, f'{source}, {key}, "{name}"')
        for name, value in _mapping(content, key, source).items()
    }


def _json(value: object, where: str) -> str:
    if value is None:
        raise UsageError(f"{where}: must have a value; got none")
    try:
        return json.dumps(value)
    except TypeError as error:
        raise UsageError(f"{where}: must be text, a number, a boolean or a list; got {type(value).__name__}") from error
