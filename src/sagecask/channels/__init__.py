"""Files on their way to batches: what an algorithm sees of a job's input, whatever mode it comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.channels.channel import Channel, FileRules
from sagecask.channels.file import FileChannel
from sagecask.errors import UnsupportedMediaType, UserError
from sagecask.formats import CODECS, codec_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sagecask.formats import MediaType

__all__ = ["Channel", "FileChannel", "FileRules", "open_channel"]

FOLDER_MODES = ("File", "FastFile")


def open_channel(
    name: str, folder: Path, input_mode: str, content_type: MediaType, accepted: Sequence[str] = tuple(CODECS)
) -> Channel:
    """Return the channel of a job; nothing is read yet.

    Parameters
    ----------
    name : the channel's name, which opens every message
    folder : where File and FastFile put the objects; itself a file where the prefix is a single object
    input_mode : File, FastFile or Pipe
    content_type : of the objects, with its parameters
    accepted : content types that the algorithm takes

    Raises
    ------
    UnsupportedMediaType : the content type is none of `accepted`
    UserError : the input mode is none that can be read
    """
    try:
        codec = codec_for(content_type, accepted)
    except UnsupportedMediaType as error:
        raise UnsupportedMediaType(f'channel "{name}", {error}') from error
    if input_mode not in FOLDER_MODES:
        raise UserError(f'channel "{name}": input mode File or FastFile is needed; got "{input_mode}"')
    return FileChannel(name, folder, content_type, codec)
