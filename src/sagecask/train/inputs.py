"""The channels of a job, checked against what the algorithm declares and opened."""

from __future__ import annotations

import difflib
import logging
from itertools import combinations
from typing import TYPE_CHECKING

from sagecask.channels import ALL_FILES, Channel, DataObject, FileChannel, FileRules, never, open_channel
from sagecask.errors import TrainingStopped, UserError
from sagecask.formats import CODECS, MediaType
from sagecask.formats.images import MEDIA_TYPES

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from sagecask.algorithm import ChannelDeclaration, Declaration
    from sagecask.contract import ChannelConfig, TrainingJob
    from sagecask.formats import Batch, Layout, Records

_log = logging.getLogger(__name__)


def open_channels(
    declaration: Declaration, description: TrainingJob, stop_requested: Callable[[], bool]
) -> dict[str, Channel]:
    """Return the job's channels by name; one that no codec reads, such as a script's, is accepted and left out.

    Raises
    ------
    UserError : with every fault, one a line: a required channel is missing, a name is unknown, a content type, input
        mode or distribution is none that the algorithm takes
    """
    faults = [
        f'channel "{declared.name}": the job must have it; got {", ".join(description.channels) or "no channel"}'
        for declared in declaration.channels
        if declared.required and declared.name not in description.channels
    ]
    channels: dict[str, Channel] = {}
    for config in description.channels.values():
        declared = declaration.channel(config.name)
        if declared is None:
            faults.append(_unknown(config.name, [each.name for each in declaration.channels]))
            continue
        content_type = _read_as(declared, config, description)
        found = [*_faults(declared, config, len(description.hosts)), *_pipe_faults(declared, config, content_type)]
        faults += found
        if not found and _content_type(declared, config).essence in {*CODECS, *MEDIA_TYPES}:
            folder, timeout = description.paths.channel(config.name), description.pipe_timeout_seconds
            channels[config.name] = open_channel(config, folder, content_type, timeout, stop_requested)
    if faults:
        raise UserError("\n".join(f"{declaration.name}: {fault}" for fault in faults))
    _warn_of_duplicates([channel for channel in channels.values() if isinstance(channel, FileChannel)])
    return {name: _Stoppable(channel, stop_requested) for name, channel in channels.items()}


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'channel "{name}": one of {", ".join(known)} is needed{hint}'


def _faults(declared: ChannelDeclaration, config: ChannelConfig, n_hosts: int) -> Iterator[str]:
    where = f'channel "{config.name}"'
    text = config.content_type or declared.default_content_type
    media_type = MediaType.parse(text or "")
    # a declared type may carry the parameters that its rows have by default
    essences = [MediaType.parse(each).essence for each in declared.content_types]
    if text is None or media_type.essence not in essences:
        yield f'{where}: content type one of {", ".join(declared.content_types)}; got "{text or "none"}"'
    elif unknown := [name for name in media_type.parameters if name not in declared.parameters]:
        allowed = ", ".join(declared.parameters) or "no parameter"
        yield f'{where}: content type {media_type.essence} with {allowed}; got "{text}" with {", ".join(unknown)}'
    # a FastFile folder is read like any other
    mode = "File" if config.input_mode == "FastFile" else config.input_mode
    if mode not in declared.input_modes:
        yield f'{where}: input mode one of {", ".join(declared.input_modes)}; got "{config.input_mode}"'
    # a single host gets all objects either way
    if n_hosts > 1 and config.distribution not in declared.distribution:
        yield f'{where}: distribution one of {", ".join(declared.distribution)}; got "{config.distribution}"'


def _pipe_faults(declared: ChannelDeclaration, config: ChannelConfig, content_type: MediaType) -> Iterator[str]:
    if config.input_mode != "Pipe" or "Pipe" not in declared.input_modes:
        return
    if content_type.essence in (declared.file_only or ()):
        yield (
            f'channel "{config.name}": input mode File or FastFile with content type {content_type.essence}; got "Pipe"'
        )


def _read_as(declared: ChannelDeclaration, config: ChannelConfig, description: TrainingJob) -> MediaType:
    model = description.channels.get(declared.read_as) if declared.read_as else None
    return _content_type(declared, model or config)


def _content_type(declared: ChannelDeclaration, config: ChannelConfig) -> MediaType:
    return MediaType.parse(config.content_type or declared.default_content_type or "")


def _warn_of_duplicates(channels: list[FileChannel]) -> None:
    """Warn where two channels hold a file of the same name and size, most likely the same rows."""
    for one, other in combinations(channels, 2):
        both = sorted(one.sizes().items() & other.sizes().items())
        if both:
            _log.warning(
                'channels "%s" and "%s" both have a file %s of %d bytes: is it the same data?',
                one.name, other.name, *both[0],
            )  # fmt: skip


class _Stoppable(Channel):
    """A channel that ends the job between two batches once a stop signal has come."""

    def __init__(self, channel: Channel, stop_requested: Callable[[], bool]) -> None:
        self.name = channel.name
        self.content_type = channel.content_type
        self.sharded = channel.sharded
        self._channel = channel
        self._stop_requested = stop_requested

    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        for batch in self._channel.batches(layout, rules):
            if self._stop_requested():
                raise TrainingStopped
            yield batch

    def records(self, rules: FileRules = ALL_FILES) -> Iterator[Records]:
        for records in self._channel.records(rules):
            if self._stop_requested():
                raise TrainingStopped
            yield records

    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]:
        for each in self._channel.objects(rules, cancelled):
            if self._stop_requested():
                raise TrainingStopped
            yield each

    def open(self, name: str) -> io.BufferedReader:
        return self._channel.open(name)
