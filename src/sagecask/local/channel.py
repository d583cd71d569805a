"""One input channel of a local job: files of this machine, with what a training job says of its S3 source.

Keys and values are those of the API's Channel and S3DataSource.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sagecask.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# API Channel: up to 64 characters of this set
CHANNEL_NAME = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
INPUT_MODES = ("File", "FastFile", "Pipe")
DATA_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile")
DISTRIBUTIONS = ("FullyReplicated", "ShardedByS3Key")
MAX_ATTRIBUTES = 16


@dataclass(frozen=True, slots=True)
class LocalChannel:
    """One input channel.

    path : a file or folder, or a manifest file where `data_type` says so
    data_type : S3Prefix, ManifestFile or AugmentedManifestFile
    attribute_names : of an augmented manifest, in the order of the stream
    record_wrapper : None or RecordIO, which wraps each object of a pipe in a record
    compression : None or Gzip, which is undone on the way into a pipe
    shuffle_seed : orders the objects of a pipe anew in each epoch; None leaves them in the order of their names
    distribution : FullyReplicated, or ShardedByS3Key, which deals the objects out to the hosts
    share : position of the host that this is for, and the number of hosts that share the objects
    """

    path: Path
    content_type: str | None = None
    input_mode: str = "File"
    data_type: str = "S3Prefix"
    attribute_names: tuple[str, ...] = ()
    record_wrapper: str = "None"
    compression: str = "None"
    shuffle_seed: int | None = None
    distribution: str = "FullyReplicated"
    share: tuple[int, int] = (0, 1)

    def of_host(self, rank: int, size: int) -> LocalChannel:
        """Return the channel as one of several hosts has it."""
        return replace(self, share=(rank, size)) if self.distribution == "ShardedByS3Key" else self

    @property
    def whole(self) -> bool:
        """Whether every object is in it."""
        return self.share[1] == 1

    @property
    def piped(self) -> bool:
        return self.input_mode == "Pipe"


def checked(name: str, channel: LocalChannel) -> LocalChannel:
    """Return the channel with an absolute path.

    Raises
    ------
    UsageError : its name, path or another of its facts cannot be
    """
    where = f'channel "{name}"'
    if not CHANNEL_NAME.fullmatch(name):
        raise UsageError(
            f'{where}: the name must be 1 to 64 letters, digits, dots, hyphens or underscores; got "{name}"'
        )
    for what, value, allowed in (
        ("input mode", channel.input_mode, INPUT_MODES),
        ("data type", channel.data_type, DATA_TYPES),
        ("record wrapper", channel.record_wrapper, ("None", "RecordIO")),
        ("compression", channel.compression, ("None", "Gzip")),
        ("distribution", channel.distribution, DISTRIBUTIONS),
    ):
        if value not in allowed:
            raise UsageError(f'{where}: {what} must be {" or ".join(allowed)}; got "{value}"')
    _check_together(where, channel)
    if not channel.path.exists():
        raise UsageError(f'{where}: the path must be a file or folder; got "{channel.path}", which does not exist')
    if channel.data_type != "S3Prefix" and not channel.path.is_file():
        raise UsageError(f'{where}: the path of a manifest must be a file; got "{channel.path}"')
    return replace(channel, path=channel.path.resolve())


def _check_together(where: str, channel: LocalChannel) -> None:
    augmented = channel.data_type == "AugmentedManifestFile"
    if augmented and not channel.piped:
        raise UsageError(f'{where}: input mode must be Pipe with an augmented manifest; got "{channel.input_mode}"')
    if channel.input_mode == "FastFile" and channel.data_type != "S3Prefix":
        raise UsageError(f'{where}: data type must be S3Prefix in input mode FastFile; got "{channel.data_type}"')
    if augmented != bool(channel.attribute_names) or len(channel.attribute_names) > MAX_ATTRIBUTES:
        needed = f"1 to {MAX_ATTRIBUTES} attribute names" if augmented else "no attribute names"
        raise UsageError(
            f"{where}: {needed} must be given with data type {channel.data_type}; got {len(channel.attribute_names)}"
        )
    if channel.shuffle_seed is not None and not channel.piped:
        # files have names, and are read in their order
        raise UsageError(f"{where}: shuffle seed must not be given in input mode {channel.input_mode}; got one")
    if channel.compression != "None" and not channel.piped:
        # API Channel: CompressionType is for Pipe mode
        raise UsageError(f'{where}: compression must be None in input mode {channel.input_mode}; got "Gzip"')


def from_yaml(value: object, folder: Path, where: str) -> LocalChannel:
    """Return the channel that a job file describes, as a path relative to `folder` or as a mapping.

    Raises
    ------
    UsageError : a key is unknown, or a value is of another kind
    """
    if isinstance(value, str):
        return LocalChannel(folder / value)
    if not isinstance(value, dict):
        raise UsageError(f"{where}: must be a path or a mapping with path; got {type(value).__name__}")
    refuse_unknown(value, tuple(name for name in LocalChannel.__dataclass_fields__ if name != "share"), where)
    for key, entry in value.items():
        kind = {"attribute_names": list, "shuffle_seed": int}.get(key, str)
        if not isinstance(entry, kind):
            word = {list: "a list", int: "a whole number", str: "text"}[kind]
            raise UsageError(f'{where}: "{key}" must be {word}; got {type(entry).__name__}')
    if "path" not in value:
        raise UsageError(f'{where}: must have the key "path"; got {", ".join(value) or "none"}')
    facts: dict[str, Any] = {**value, "path": folder / value["path"]}
    if "attribute_names" in facts:
        facts["attribute_names"] = tuple(map(str, facts["attribute_names"]))
    return LocalChannel(**facts)


def refuse_unknown(content: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise UsageError where a mapping has a key that is not known."""
    names = tuple(known)
    for key in content:
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            raise UsageError(f'{where}: keys must be among {", ".join(names)}; got "{key}"{hint}')
