"""Options of the command line, alone or over a YAML file, to the description of a job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask.errors import UsageError
from sagecask.local.channel import CHANNEL_NAME
from sagecask.local.description import JobDescription, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagecask.local.channel import LocalChannel


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping; the last of equal names wins.

    Raises
    ------
    UsageError : a text has no name or no equals sign
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f'{option}: must have the form NAME=VALUE; got "{text}"')
        found[name] = value
    return found


def job_description(algorithm: str | None, file: Path | None, options: Mapping[str, Any]) -> JobDescription:
    """Return the job of `file` with what the options add or replace.

    Raises
    ------
    UsageError : no algorithm is given, or an option or the file is wrong
    """
    if file is not None:
        job = read_yaml(file)
    elif algorithm is not None:
        job = JobDescription(algorithm)
    else:
        raise UsageError("run: an algorithm or --job must be given; got neither")
    job = job.with_channels(_paths(options))
    job = _with_content_types(job, options["content_type"])
    if options["input_mode"]:
        channels = {name: replace(each, input_mode=options["input_mode"]) for name, each in job.channels.items()}
        job = replace(job, channels=channels)
    sharded = {
        name: replace(_known(job, name, "--sharded"), distribution="ShardedByS3Key") for name in options["sharded"]
    }
    job = replace(job, channels={**job.channels, **sharded})
    return replace(
        job,
        algorithm=algorithm or job.algorithm,
        hyperparameters={**job.hyperparameters, **pairs(options["hyperparameter"], "--hyperparameter")},
        environment={**job.environment, **pairs(options["environment"], "--environment")},
        image=options["image"] or job.image,
        output=options["output"] or job.output,
        checkpoints=options["checkpoints"] or job.checkpoints,
        hosts=options["hosts"] or job.hosts,
    )


def _paths(options: Mapping[str, Any]) -> dict[str, Path]:
    named = {name: options[name] for name in ("train", "validation") if options[name] is not None}
    return named | {name: Path(path) for name, path in pairs(options["channel"], "--channel").items()}


def _with_content_types(job: JobDescription, texts: Sequence[str]) -> JobDescription:
    channels = dict(job.channels)
    for text in texts:
        name, equals, content_type = text.partition("=")
        # `text/csv; label_size=0` has an equals sign too, but what stands before it is no channel's name
        if not equals or not CHANNEL_NAME.fullmatch(name):
            channels = {each: replace(channel, content_type=text) for each, channel in channels.items()}
        else:
            channels[name] = replace(_known(job, name, "--content-type"), content_type=content_type)
    return replace(job, channels=channels)


def _known(job: JobDescription, name: str, option: str) -> LocalChannel:
    if name not in job.channels:
        known = ", ".join(job.channels) or "none"
        raise UsageError(f'{option}: the channel must be one of the job\'s ({known}); got "{name}"')
    return job.channels[name]
