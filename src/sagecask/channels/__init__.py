"""Files on their way to batches: what an algorithm sees of a job's input, whatever mode it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.channels.channel import ALL_FILES, Channel, FileRules
from sagecask.channels.file import FileChannel
from sagecask.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.contract import ChannelConfig
    from sagecask.formats import MediaType

__all__ = ["ALL_FILES", "Channel", "FileChannel", "FileRules", "open_channel"]

FOLDER_MODES = ("File", "FastFile")


def open_channel(config: ChannelConfig, folder: Path, content_type: MediaType) -> Channel:
    """Return a channel of a job; nothing is read yet.

    Parameters
    ----------
    config : the job's entry for the channel
    folder : where File and FastFile put the objects; itself a file where the prefix is a single object
    content_type : of the objects, with its parameters; the job's own or the algorithm's default

    Raises
    ------
    UserError : the input mode is none that can be read
    """
    if config.input_mode not in FOLDER_MODES:
        raise UserError(f'channel "{config.name}": input mode File or FastFile is needed; got "{config.input_mode}"')
    return FileChannel(config.name, folder, content_type)
