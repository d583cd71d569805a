"""File and FastFile channels: a folder of objects, read in the order of their names (model-access-training-data.md)."""

from __future__ import annotations

import logging
import os
import random
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sagecask.channels.channel import ALL_FILES, DataObject, FileRules, never
from sagecask.channels.decoded import DecodedChannel
from sagecask.errors import DataError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from sagecask.formats import MediaType

log = logging.getLogger(__name__)


class FileChannel(DecodedChannel):
    """Lists its folder once, opens each file once an epoch, reads it front to back, and writes nothing."""

    def __init__(self, name: str, folder: Path, content_type: MediaType, *, sharded: bool = False) -> None:
        self.name = name
        self.folder = folder
        self.content_type = content_type
        self.sharded = sharded
        self._epochs = count()

    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]:  # noqa: ARG002 - files do not make wait
        epoch = next(self._epochs)
        chosen = self._chosen(rules)
        if rules.shuffle_seed is not None:
            # a text as seed is hashed the same way by every Python
            random.Random(f"{rules.shuffle_seed}, epoch {epoch}").shuffle(chosen)  # noqa: S311 - no secret
        for relative in chosen:
            with self._open(relative) as stream:
                yield DataObject(self._where(relative), stream, relative.as_posix())

    def open(self, name: str) -> io.BufferedReader:
        return self._open(Path(name))

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
            # a host without a share of the objects may find no folder at all
            if self.sharded and not self.folder.exists():
                return ()
            if not self.folder.is_dir():
                raise DataError(f'channel "{self.name}": a folder {self.folder} is needed; got none')
        except PermissionError as error:
            self._refuse_listing(error)
        found: list[Path] = []
        for parent, folders, names in os.walk(self.folder, onerror=self._refuse_listing):
            # Kubernetes keeps the files of a mounted ConfigMap in a folder `..TIME`, to which those beside it link
            folders[:] = [name for name in folders if not name.startswith("..")]
            found += [Path(parent, name).relative_to(self.folder) for name in names]
        return tuple(sorted(found, key=Path.as_posix))

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
            if any(fnmatchcase(relative.name, pattern) for pattern in rules.skip):
                continue
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

    def _open(self, relative: Path) -> io.BufferedReader:
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
