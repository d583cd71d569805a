"""New files: one, or shards among which the rows are dealt; all of them appear at the end or none."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, cast

from sagecask.datasets.shape import taken
from sagecask.errors import UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from sagecask.formats import Batch
    from sagecask.formats.writer import FileForm, Writer


class Target:
    """Rows are dealt in turn: row i goes to shard i mod the number of shards, so shards differ by one row at most."""

    def __init__(self, path: Path, shards: int | None, extension: str) -> None:
        self.path = path
        self.files = [path]
        if shards is not None:
            self.files = [path / f"part-{number:05}-of-{shards:05}{extension}" for number in range(shards)]
        self._unfinished = [file.with_name(f".{file.name}.part") for file in self.files]
        self._writers: list[Writer] = []
        self._stack = ExitStack()
        self._rows = 0

    def check(self, sources: Sequence[Path]) -> None:
        """Refuse to write where something else is.

        Raises
        ------
        UserError : a folder is there in place of the file, or the folder for shards is not empty
        UsageError : the target is a source
        """
        if any(self.path.exists() and source.samefile(self.path) for source in sources):
            raise UsageError(f'target: another file than the source is needed; got "{self.path}"')
        if self.files == [self.path]:
            if self.path.is_dir():
                raise UserError(f'target: a file is needed without --shards; got "{self.path}", a folder')
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise UserError(f'target: a new or empty folder for shards is needed; got "{self.path}"')

    def __enter__(self) -> Self:
        self.files[0].parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
        finally:
            for path in self._unfinished:
                path.unlink(missing_ok=True)

    def open(self, form: FileForm, names: Sequence[str]) -> None:
        """Begin every file."""
        for path in self._unfinished:
            stream = cast("BinaryIO", self._stack.enter_context(path.open("wb")))
            self._writers.append(form.open(stream, names))
            # whatever becomes of the file, a writer may have files of its own
            self._stack.callback(self._writers[-1].close)

    def write(self, batch: Batch) -> None:
        """Deal rows among the files."""
        shards = len(self._writers)
        for number, writer in enumerate(self._writers):
            part = batch if shards == 1 else taken(batch, slice((number - self._rows) % shards, None, shards))
            if len(part):
                writer.write(part)
        self._rows += len(batch)

    def finish(self) -> None:
        """Complete all files and give them their names."""
        self._stack.close()
        for unfinished, path in zip(self._unfinished, self.files, strict=True):
            unfinished.replace(path)
