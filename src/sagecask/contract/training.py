"""What the platform gives a training container: the files of /opt/ml/input/config and variables (contract §§2-6)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask.contract.variables import integer
from sagecask.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagecask.contract.paths import Paths

MODES = ("File", "FastFile", "Pipe")


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One entry of inputdataconfig.json; only the input mode is always there (local mode leaves the rest out)."""

    name: str
    input_mode: str = "File"
    content_type: str | None = None
    distribution: str = "FullyReplicated"
    record_wrapper: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One training job as the platform describes it to one of its hosts.

    hyperparameters : name to text, hidden ones included
    channels : name to entry
    hosts : names of all hosts, sorted as text
    network_interface : the interface that the hosts share
    checkpoint_dir : folder that is kept between restarts, None where the job has none
    rendezvous_port, rendezvous_timeout_seconds : where the first host waits for the others, and how long all wait
    """

    paths: Paths
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelConfig]
    hosts: tuple[str, ...]
    current_host: str
    network_interface: str
    instance_type: str | None
    instance_group: str | None
    checkpoint_dir: Path | None
    job_name: str | None
    job_arn: str | None
    gpus: int
    pipe_timeout_seconds: int = 300
    rendezvous_port: int = 29500
    rendezvous_timeout_seconds: int = 900

    @classmethod
    def read(cls, paths: Paths, environ: Mapping[str, str]) -> TrainingJob:
        """Read the configuration; a missing file counts as an empty one, unknown keys are ignored (contract 2.6, 2.8).

        Raises
        ------
        UserError : a file is no JSON object, or an entry has the wrong form
        UsageError : a variable has a value that it cannot have
        """
        resources = _object(paths.resource_config)
        current = str(resources.get("current_host") or "localhost")
        return cls(
            paths=paths,
            hyperparameters=_hyperparameters(paths.hyperparameters),
            channels=_channels(paths.input_data_config),
            hosts=tuple(sorted(map(str, resources.get("hosts") or [current]))),
            current_host=current,
            network_interface=str(resources.get("network_interface_name") or "eth0"),
            instance_type=resources.get("current_instance_type"),
            instance_group=resources.get("current_group_name"),
            checkpoint_dir=cls.checkpoint_folder(paths),
            job_name=environ.get("TRAINING_JOB_NAME"),
            job_arn=environ.get("TRAINING_JOB_ARN"),
            gpus=_gpus(environ),
            pipe_timeout_seconds=integer(environ, ("SAGECASK_PIPE_TIMEOUT_SECONDS",), 300, minimum=1),
            rendezvous_port=integer(environ, ("SAGECASK_RENDEZVOUS_PORT",), 29500, minimum=1),
            rendezvous_timeout_seconds=integer(environ, ("SAGECASK_RENDEZVOUS_TIMEOUT_SECONDS",), 900, minimum=1),
        )

    @staticmethod
    def checkpoint_folder(paths: Paths) -> Path | None:
        """Return the LocalPath of checkpointconfig.json, else the documented folder where someone has made it.

        Without either nothing would keep checkpoints beyond the job (contract 6.9), so none need be written.
        """
        try:
            configured = _object(paths.checkpoint_config)
        except UserError:
            configured = {}
        if configured or paths.checkpoints.is_dir():
            return Path(str(configured.get("LocalPath") or paths.checkpoints))
        return None


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name}: a JSON object; got text that is no JSON ({error})") from error
    except OSError as error:
        raise UserError(f"{path.name}: a readable file; got {error.strerror}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path.name}: a JSON object; got {type(value).__name__}")
    return value


def _hyperparameters(path: Path) -> dict[str, str]:
    # the platform sends texts only; files written by hand hold numbers, booleans and lists
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in _object(path).items()
        if value is not None
    }


def _channels(path: Path) -> dict[str, ChannelConfig]:
    channels = {}
    for name, entry in _object(path).items():
        if not isinstance(entry, dict):
            raise UserError(f'{path.name}: channel "{name}" must be a JSON object; got {json.dumps(entry)}')
        mode = str(entry.get("TrainingInputMode") or "File")
        if mode not in MODES:
            raise UserError(f'{path.name}: channel "{name}": TrainingInputMode one of {", ".join(MODES)}; got "{mode}"')
        wrapper = entry.get("RecordWrapperType")
        channels[name] = ChannelConfig(
            name=name,
            input_mode=mode,
            content_type=entry.get("ContentType") or None,
            distribution=str(entry.get("S3DistributionType") or "FullyReplicated"),
            record_wrapper=None if wrapper in {None, "None"} else str(wrapper),
        )
    return channels


def _gpus(environ: Mapping[str, str]) -> int:
    """Return how many NVIDIA GPUs this process may use."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in {"", "-1"}])
    try:
        return sum(1 for _ in Path("/proc/driver/nvidia/gpus").iterdir())
    except OSError:
        return 0
