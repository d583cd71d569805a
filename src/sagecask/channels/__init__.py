"""Files and pipes on their way to batches: what an algorithm sees of a job's input, whatever mode it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.channels.channel import ALL_FILES, Channel, DataObject, FileRules, never
from sagecask.channels.file import FileChannel
from sagecask.channels.pipe import PipeChannel
from sagecask.channels.shard import shard
from sagecask.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sagecask.contract import ChannelConfig
    from sagecask.formats import MediaType

__all__ = [
    "ALL_FILES", "Channel", "DataObject", "FileChannel", "FileRules", "PipeChannel", "never", "open_channel", "shard",
]  # fmt: skip

WRAPPER = "RecordIO"


def open_channel(
    config: ChannelConfig,
    folder: Path,
    content_type: MediaType,
    pipe_timeout_seconds: float = 300,
    stop_requested: Callable[[], bool] = never,
) -> Channel:
    """Return a channel of a job; nothing is read yet.

    Parameters
    ----------
    config : the job's entry for the channel
    folder : where File and FastFile put the objects; itself a file where the prefix is a single object; in Pipe mode
        the path to whose name the FIFOs add their numbers
    content_type : of the objects, with its parameters; the job's own or the algorithm's default
    pipe_timeout_seconds : longest wait for a FIFO, its writer and its next byte
    stop_requested : ends such a wait

    Raises
    ------
    UserError : the record wrapper is none that can be read
    """
    sharded = config.distribution == "ShardedByS3Key"
    if config.input_mode != "Pipe":
        return FileChannel(config.name, folder, content_type, sharded=sharded)
    if config.record_wrapper not in {None, WRAPPER}:
        raise UserError(
            f'channel "{config.name}": RecordWrapperType None or RecordIO is needed; got "{config.record_wrapper}"'
        )
    return PipeChannel(
        config.name,
        folder.parent,
        content_type,
        wrapped=config.record_wrapper == WRAPPER,
        sharded=sharded,
        timeout_seconds=pipe_timeout_seconds,
        stop_requested=stop_requested,
    )
