"""File and FastFile channels: a folder of objects, read in the order of their names (model-access-training-data.md)."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from sagecask.channels.channel import ALL_FILES, Channel, FileRules
from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.formats import Batch, Codec, Layout, MediaType

log = logging.getLogger(__name__)


class FileChannel(Channel):
    """Lists its folder once, opens each file once an epoch, reads it front to back, and writes nothing."""

    def __init__(self, name: str, folder: Path, content_type: MediaType) -> None:
        self.name = name
        self.folder = folder
        self.content_type = content_type

    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        codec = self._codec()
        layout = layout.under(self.content_type, f'channel "{self.name}"')
        columns = None
        for relative in self._chosen(rules):
            where = self._where(relative)
            with self._open(relative) as stream:
                # an empty object is no fault, whatever the format makes of no bytes
                if not os.fstat(stream.fileno()).st_size:
                    continue
                for batch in codec.read(stream, layout, where):
                    columns = _same_columns(batch, columns, where)
                    layout = replace(layout, width=batch.width)
                    yield batch

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Every file below the folder, relative to it, sorted as object keys are.

        Raises
        ------
        DataError : the folder is missing or cannot be listed
        """
        try:
            if self.folder.is_file():
                return (Path(self.folder.name),)
            if not self.folder.is_dir():
                raise DataError(f'channel "{self.name}": a folder {self.folder} is needed; got none')
        except PermissionError as error:
            self._refuse_listing(error)
        found = [
            Path(parent, name).relative_to(self.folder)
            for parent, _, names in os.walk(self.folder, onerror=self._refuse_listing)
            for name in names
        ]
        return tuple(sorted(found, key=Path.as_posix))

    def _codec(self) -> Codec:
        try:
            return codec_for(self.content_type)
        except UnsupportedMediaType as error:
            raise UnsupportedMediaType(f'channel "{self.name}", {error}') from error

    def sizes(self) -> dict[Path, int]:
        """Return every file that is there, relative to the folder, with its bytes; nothing when it has no files."""
        if not self.folder.is_dir():
            return {}
        return {relative: (self.folder / relative).stat().st_size for relative in self.files}

    def _chosen(self, rules: FileRules) -> list[Path]:
        chosen: list[Path] = []
        too_deep: list[Path] = []
        for relative in self.files:
            if rules.refuse_hidden and relative.name.startswith("."):
                raise DataError(
                    f"{self._where(relative)}: a file name without a leading dot is needed; got a hidden file"
                )
            if rules.skip_underscore and relative.name.startswith("_"):
                continue
            deep = rules.max_depth is not None and len(relative.parts) > rules.max_depth
            (too_deep if deep else chosen).append(relative)
        if too_deep:
            log.warning(
                'channel "%s": files deeper than %d folders are left out; %d found, such as %s',
                self.name, rules.max_depth, len(too_deep), too_deep[0],
            )  # fmt: skip
        return chosen

    def _open(self, relative: Path) -> BinaryIO:
        path = self.folder if self.folder.is_file() else self.folder / relative
        try:
            # a pipe would block, a folder cannot be read
            if not path.is_file():
                raise DataError(f"{self._where(relative)}: a regular file is needed; got something else")
            return path.open("rb")
        except OSError as error:
            raise DataError(f"{self._where(relative)}: a readable file is needed; got {error.strerror}") from error

    def _where(self, relative: Path) -> str:
        return f'channel "{self.name}", {relative.as_posix()}'

    def _refuse_listing(self, error: OSError) -> NoReturn:
        where = f'channel "{self.name}"'
        raise DataError(f"{where}: a readable folder is needed; got {error.strerror} for {error.filename}") from error


def _same_columns(batch: Batch, before: tuple[bool, bool] | None, where: str) -> tuple[bool, bool]:
    """Return whether a batch has labels and weights, after a look that those before agree.

    Joined batches would lose a column that not all of them have.
    """
    now = (batch.labels is not None, batch.weights is not None)
    for column, has, had in zip(("labels", "weights"), now, before or now, strict=True):
        if has != had:
            raise DataError(f"{where}: {column} in all files or in none are needed; got both")
    return now
