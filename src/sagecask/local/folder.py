"""The folder of a local training job, laid out as the platform lays out /opt/ml (contract §§2, 4, 5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask.contract.paths import Paths
from sagecask.errors import UserError
from sagecask.local.container import Mount
from sagecask.local.source import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sagecask.local.channel import LocalChannel
    from sagecask.local.description import JobDescription


def lay_out(description: JobDescription, root: Path, hosts: Sequence[str] = ("algo-1",), rank: int = 0) -> Paths:
    """Write the configuration files and make the output folders of a job below `root`; channels are not copied.

    `rank` is the position among `hosts` of the host that it is for.

    Raises
    ------
    UserError : `root` is not an empty folder or new
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f'run: the output folder must be new or empty; got "{root}"')
    paths = Paths(root.resolve())
    for folder in (paths.config, paths.data, paths.model, paths.output_data):
        folder.mkdir(parents=True, exist_ok=True)
    _write(paths.hyperparameters, dict(description.hyperparameters))
    _write(paths.input_data_config, {name: _entry(channel) for name, channel in description.channels.items()})
    _write(
        paths.resource_config,
        {
            "current_host": hosts[rank],
            "current_instance_type": "local",
            "current_group_name": "homogeneousCluster",
            "hosts": list(hosts),
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": "local", "hosts": list(hosts)}
            ],
            "network_interface_name": "eth0" if len(hosts) > 1 else "lo",
        },
    )
    return paths


def link_inputs(description: JobDescription, paths: Paths) -> None:
    """Make channels and checkpoints appear below the root by symbolic links, for a job that runs as a process."""
    for name, channel in description.channels.items():
        if channel.piped:
            continue
        place = paths.channel(name)
        if channel.path.is_dir() and channel.whole:
            place.symlink_to(channel.path, target_is_directory=True)
            continue
        # a host may be without objects, and has an empty folder then (contract 4.15)
        place.mkdir()
        for file, target in _files(name, channel):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).symlink_to(target)
    if description.checkpoints is not None:
        description.checkpoints.mkdir(parents=True, exist_ok=True)
        paths.checkpoints.symlink_to(description.checkpoints.resolve(), target_is_directory=True)


def mounts(description: JobDescription, paths: Paths) -> list[Mount]:
    """Return what a container of the job sees below /opt/ml; the inputs are read-only."""
    inside = Paths()
    bound = [
        Mount(paths.config, inside.config),
        Mount(paths.model, inside.model, writable=True),
        Mount(paths.output, inside.output, writable=True),
    ]
    files = [
        (f"{name}/{file}" if file else name, target)
        for name, channel in description.channels.items()
        if not channel.piped
        for file, target in ([("", channel.path)] if channel.path.is_dir() and channel.whole else _files(name, channel))
    ]
    if not all(channel.whole and not channel.piped for channel in description.channels.values()):
        # FIFOs come and go, and a host may have no file; what is mounted among them needs a place in a folder that is
        # read-only inside
        bound.append(Mount(paths.data, inside.data))
        for name, channel in description.channels.items():
            if not channel.piped:
                (paths.data / name).mkdir()
        for place, target in files:
            _hold(paths.data / place, target)
    bound += [Mount(target, inside.data / place) for place, target in files]
    if description.checkpoints is not None:
        description.checkpoints.mkdir(parents=True, exist_ok=True)
        bound.append(Mount(description.checkpoints.resolve(), inside.checkpoints, writable=True))
    return bound


def _hold(place: Path, target: Path) -> None:
    """Make an empty file, or a folder, over which another can be mounted."""
    if target.is_dir():
        place.mkdir(exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()


def _files(name: str, channel: LocalChannel) -> Iterator[tuple[str, Path]]:
    """Yield the files of a channel that is one file, or as many as its manifest names."""
    for each in objects(name, channel):
        assert isinstance(each.content, Path)
        yield each.name, each.content


def _entry(channel: LocalChannel) -> dict[str, str]:
    entry = {
        "TrainingInputMode": channel.input_mode,
        "S3DistributionType": channel.distribution,
        "RecordWrapperType": channel.record_wrapper,
    }
    return ({"ContentType": channel.content_type} if channel.content_type else {}) | entry


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
