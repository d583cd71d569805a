"""Files as batches: format found, header row taken off, gzip undone, bytes counted."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.channels.decoded import plain
from sagecask.datasets.file_format import FileFormat, named, sniffed
from sagecask.errors import DataError, UsageError, UserError
from sagecask.formats import Batch, Layout, MediaType, codec_for
from sagecask.formats.csv import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Buffer

BUFFER_BYTES = 1024 * 1024
NPY = "application/x-npy"
_LABEL_COLUMNS = {"text/csv", "application/x-parquet", NPY}
_WEIGHT_COLUMN = {"text/csv", NPY}


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What a person says about the data.

    content_type : short name or content type; None looks at the file
    label_size : leading columns that are labels, where the format does not name them; None is 1, or 0 beside `labels`
    weighted : whether the column after the labels is the row's weight
    delimiter : one character between CSV cells; None takes it from the first line
    skip_header : whether the first row of each CSV file names its columns
    labels : .npy file with the labels of a .npy source
    """

    path: Path
    content_type: str | None = None
    label_size: int | None = None
    weighted: bool = False
    delimiter: str | None = None
    skip_header: bool = False
    labels: Path | None = None


class Source:
    """The rows of a file, or of the files of a folder in the order of their names.

    `names` are those of a header row or of Parquet columns, known once the first batch is there; else empty.
    """

    def __init__(self, about: SourceDescription) -> None:
        self._about = about
        self.files = _files(about.path)
        self.format, content_type = self._format()
        self.names: list[str] = []
        default = 0 if about.labels is not None else 1
        size = default if about.label_size is None else about.label_size
        layout = Layout(label_size=size, weighted=about.weighted, delimiter=about.delimiter)
        self._layout = layout.under(content_type, str(about.path))
        if self.format.content_type not in _LABEL_COLUMNS:
            self._layout = replace(self._layout, label_size=0)
        self._check()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    def batches(self, advance: Callable[[int], None], width: int | None = None) -> Iterator[Batch]:
        """Yield the rows; `advance` is told of bytes as they are read, `width` is what `Layout` has.

        Raises
        ------
        DataError : a file is damaged or not of the format, or files differ in their columns
        """
        layout = replace(self._layout, width=width)
        before = None
        for path in self.files:
            row = 1
            for batch in self._read(path, layout, advance):
                now = (batch.labels is None, batch.weights is None)
                if before not in {None, now}:
                    raise DataError(f"{path}: labels and weights in all rows or in none are needed; got both")
                before = now
                _refuse_infinite(batch, row, path)
                row += len(batch)
                layout = replace(layout, width=batch.width)
                yield batch

    def width(self, advance: Callable[[int], None]) -> int:
        """Return the number of features after a look at every row, which libsvm needs.

        Raises
        ------
        DataError : as `batches`
        """
        return max((batch.width for batch in self.batches(advance)), default=0)

    def column_names(self, batch: Batch, width: int) -> list[str]:
        """Return a name for each label, the weight and each feature: those of the files, or label, weight, f0, ..."""
        labels = 0 if batch.labels is None else 1 if batch.labels.ndim == 1 else batch.labels.shape[1]
        lead = ["label"] if labels == 1 else [f"label{each}" for each in range(labels)]
        lead += ["weight"] * (batch.weights is not None)
        if len(self.names) == len(lead) + width:
            return list(self.names)
        return [*lead, *(f"f{each}" for each in range(width))]

    def _format(self) -> tuple[FileFormat, MediaType]:
        if self._about.content_type is not None:
            return named(self._about.content_type, "--from")
        path = self.files[0]
        stream: io.BufferedReader = io.BufferedReader(_opened(path, lambda _: None), BUFFER_BYTES)
        with stream:
            found = sniffed(plain(stream, str(path)), path)
        return found, MediaType(found.content_type)

    def _check(self) -> None:
        about, kind = self._about, self.format
        for option, given, fits in (
            ("--label-size", about.label_size is not None, kind.content_type in _LABEL_COLUMNS),
            ("--weights", about.weighted, kind.content_type in _WEIGHT_COLUMN),
            ("--delimiter", about.delimiter is not None, kind.name == "csv"),
            ("--skip-header", about.skip_header, kind.name == "csv"),
            ("--labels", about.labels is not None, kind.name == "npy"),
        ):
            if given and not fits:
                raise UsageError(f"{option}: a format that has this is needed; got {kind.name}")
        if about.delimiter is not None and (len(about.delimiter) != 1 or about.delimiter in '\r\n"'):
            raise UsageError(f'--delimiter: one character is needed; got "{about.delimiter}"')
        if about.labels is not None and (len(self.files) > 1 or about.label_size or about.weighted):
            raise UsageError("--labels: one file without label and weight columns is needed; got more")

    def _read(self, path: Path, layout: Layout, advance: Callable[[int], None]) -> Iterator[Batch]:
        where = str(path)
        with ExitStack() as stack:
            counted = _opened(path, advance)
            stream: io.BufferedReader = io.BufferedReader(counted, BUFFER_BYTES)
            stream = plain(stack.enter_context(stream), where)
            # a file without a byte is a file without rows, as on a channel
            if not stream.peek(1):
                return
            if self._about.skip_header:
                self.names, stream = _without_header(stream, layout, where)
                layout = replace(layout, charset="utf-8")
            if self.format.name == "parquet":
                self.names = _parquet_names(stream)
            if self._about.labels is not None:
                yield from _with_labels(stream, self._about.labels, layout, where)
            else:
                yield from codec_for(MediaType(self.format.content_type)).read(stream, layout, where)
            counted.finish()


class _Counted(io.FileIO):
    """A file that tells how many of its bytes were read, never more than it has."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._left = path.stat().st_size
        self._advance = advance

    def readinto(self, buffer: Buffer, /) -> int:
        count = super().readinto(buffer) or 0
        self._tell(count)
        return count

    def finish(self) -> None:
        """Count what a format had no need to read."""
        self._tell(self._left)

    def _tell(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        self._advance(count)


def _refuse_infinite(batch: Batch, first: int, path: Path) -> None:
    """Refuse what a training job would refuse later; rows count from `first`."""
    for what, column in (("label", batch.labels), ("weight", batch.weights)):
        if column is not None and not np.isfinite(column).all():
            row = int(np.argwhere(~np.isfinite(column))[0][0])
            got = np.atleast_1d(column[row])
            raise DataError(
                f"{path}, row {first + row}: a finite number as {what} is needed; got {got[~np.isfinite(got)][0]:g}"
            )


def _opened(path: Path, advance: Callable[[int], None]) -> _Counted:
    try:
        return _Counted(path, advance)
    except OSError as error:
        raise UserError(f"{path}: a readable file is needed; got {error.strerror}") from error


class _Text(io.RawIOBase):
    """The rest of a text in UTF-8, after as many empty lines as were taken off: line numbers stay what they were."""

    def __init__(self, text: io.TextIOWrapper, lines: int) -> None:
        self._text = text
        self._ready = b"\n" * lines

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        piece = self._ready or self._text.read(len(view)).encode("utf-8", "replace")
        count = min(len(piece), len(view))
        view[:count] = piece[:count]
        self._ready = piece[count:]
        return count


def _without_header(stream: io.BufferedReader, layout: Layout, where: str) -> tuple[list[str], io.BufferedReader]:
    charset = "utf-8-sig" if layout.charset == "utf-8" else layout.charset
    try:
        text = io.TextIOWrapper(stream, charset, errors="replace", newline="")
    except LookupError as error:
        raise DataError(f'{where}: a charset such as utf-8 is needed; got "{layout.charset}"') from error
    first = text.readline()
    delimiter = layout.delimiter or next((each for each in DELIMITERS if each in first), ",")
    lines = [first, *([] if first.count('"') % 2 == 0 else _until_closed(text))]
    names = next(csv.reader(["".join(lines)], delimiter=delimiter), [])
    return [name.strip() for name in names], io.BufferedReader(_Text(text, len(lines)), BUFFER_BYTES)


def _until_closed(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines that a quoted name with line ends in it takes."""
    while line := text.readline():
        yield line
        if line.count('"') % 2:
            return


def _parquet_names(stream: BinaryIO) -> list[str]:
    from sagecask.formats.parquet import column_names  # noqa: PLC0415 - its library is an extra

    return column_names(stream)


def _with_labels(stream: BinaryIO, labels: Path, layout: Layout, where: str) -> Iterator[Batch]:
    from sagecask.formats.npy import Rows  # noqa: PLC0415 - as codecs are, only when asked for
    from sagecask.formats.npz import batches  # noqa: PLC0415

    with io.BufferedReader(_opened(labels, lambda _: None), BUFFER_BYTES) as beside:
        arrays = {"features": Rows(stream, where), "labels": Rows(beside, str(labels))}
        yield from batches(arrays, layout, where)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f'source: a file or folder is needed; got "{path}", which does not exist')
    # names with a dot or an underscore are what other tools leave beside data
    found = [each for each in sorted(path.rglob("*")) if each.is_file() and not each.name.startswith((".", "_"))]
    if not found:
        raise UserError(f'source: a folder with files is needed; got "{path}", which has none')
    return found
