"""`application/x-npy`: one array of numbers, labels in its first columns (numpy.lib.format)."""

from __future__ import annotations

from tokenize import TokenError
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.lib import format as npy

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.lines import printable
from sagecask.formats.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BATCH_CELLS = 1024 * 1024
# a header may promise more than there is memory for
PIECE_BYTES = 16 * 1024 * 1024
MAX_BYTES = 2**63 - 1
MAGIC = npy.MAGIC_PREFIX


class Rows:
    """The array of a stream, read some rows at a time; one of Fortran order needs a stream that can seek."""

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._stream = stream
        self._where = where
        try:
            version = npy.read_magic(stream)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, self._dtype = header(stream)
        # numpy lets through what Python's parsers say of a header that is not Python
        except (ValueError, TokenError, RecursionError, MemoryError) as error:
            raise DataError(f"{where}: a NumPy array is needed; got {printable(error)}") from error
        if self._dtype.kind not in "fiub" or len(shape) not in {1, 2}:
            kind = f"{self._dtype} with {len(shape)} dimensions"
            raise DataError(f"{where}: an array of numbers with 1 or 2 dimensions is needed; got {kind}")
        self.count = int(shape[0])
        # a list of labels is one column
        self.width = int(shape[1]) if len(shape) == 2 else 1
        if self.count < 0 or self.width < 1 or self.count * self.width * self._dtype.itemsize > MAX_BYTES:
            raise DataError(f"{where}: an array of at least one column that a file can hold is needed; got {shape}")
        self.fortran = fortran and self.width > 1
        if self.fortran and not stream.seekable():
            raise DataError(f"{where}: rows one after another are needed in a pipe or gzip file; got Fortran order")
        self._next = 0
        self._start = stream.tell() if self.fortran else 0

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next rows, (up to count, width) float32; none at the end.

        Raises
        ------
        DataError : the bytes end early
        """
        count = min(count, self.count - self._next)
        if self.fortran and count:
            columns = [self._column(column, count) for column in range(self.width)]
            table = np.stack(columns, axis=1)
        else:
            table = self._numbers(count * self.width).reshape(count, self.width)
        self._next += count
        # a double beyond float32 becomes infinite, a signalling NaN a quiet one
        with np.errstate(over="ignore", invalid="ignore"):
            return table.astype(np.float32)

    def _column(self, column: int, count: int) -> NDArray[np.generic]:
        self._stream.seek(self._start + (column * self.count + self._next) * self._dtype.itemsize)
        return self._numbers(count)

    def _numbers(self, count: int) -> NDArray[np.generic]:
        wanted = count * self._dtype.itemsize
        data = self._stream.read(min(wanted, PIECE_BYTES))
        while len(data) < wanted and (piece := self._stream.read(min(wanted - len(data), PIECE_BYTES))):
            data += piece
        if len(data) < wanted:
            raise DataError(f"{self._where}: {self.count} rows as the header says are needed; got fewer")
        return np.frombuffer(data, dtype=self._dtype)


class NpyCodec(Codec):
    """Training data alone; rows of labels, weight and features as in CSV, NaN is missing."""

    name = "NumPy"

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        rows = Rows(stream, where)
        first = layout.label_size + layout.weighted
        if rows.width <= first:
            raise DataError(f"{where}: at least {first + 1} columns are needed; got {rows.width}")
        if layout.width not in {None, rows.width - first}:
            raise DataError(f"{where}: {rows.width - first} features, expected {layout.width}")
        at = 1
        while len(table := rows.read(batch_rows(rows.width))):
            labels = label_columns(table[:, : layout.label_size] if layout.label_size else None, at, where)
            weights = table[:, layout.label_size].copy() if layout.weighted else None
            at += len(table)
            yield Batch(np.ascontiguousarray(table[:, first:]), labels, weights)


class NpyWriter(Writer):
    """One float32 array whose first columns are labels and weight, where there are any."""

    def __init__(self, stream: BinaryIO, names: Sequence[str]) -> None:  # noqa: ARG002 - an array names no columns
        self._array = ArrayWriter(stream)

    def write(self, batch: Batch) -> None:
        self._array.write(table_of(batch))

    def close(self) -> None:
        self._array.close()


class ArrayWriter:
    """Appends rows to an array file; the header has room for a row count that comes last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._shape: tuple[int, ...] = (0, 0)

    def write(self, rows: NDArray[np.float32]) -> None:
        """Append (n_rows,) or (n_rows, width) float32."""
        if not self._shape[0]:
            self._shape = (0, *rows.shape[1:])
            self._header()
        self._stream.write(np.ascontiguousarray(rows, dtype="<f4").tobytes())
        self._shape = (self._shape[0] + len(rows), *self._shape[1:])

    def close(self) -> None:
        """Write the header with the number of rows."""
        self._stream.seek(0)
        self._header()
        self._stream.seek(0, 2)

    def _header(self) -> None:
        npy.write_array_header_1_0(self._stream, {"descr": "<f4", "fortran_order": False, "shape": self._shape})


def table_of(batch: Batch) -> NDArray[np.float32]:
    """Return (n_rows, labels + weight + width) float32 of dense rows, in the column order of CSV."""
    lead = [column for column in (batch.labels, batch.weights) if column is not None]
    return np.column_stack([*lead, batch.features]) if lead else np.asarray(batch.features)


def label_columns(labels: NDArray[np.float32] | None, first: int, where: str) -> NDArray[np.float32] | None:
    """Return (n_rows,) or (n_rows, label_size) float32 as a batch has them; `first` is the number of the first row.

    Raises
    ------
    DataError : a label is not a finite number
    """
    if labels is None:
        return None
    if not np.isfinite(labels).all():
        row, column = np.argwhere(~np.isfinite(labels))[0]
        got = f"{labels[row, column]:g}"
        raise DataError(f"{where}, row {first + row}: a finite number as label is needed; got {got}")
    return labels[:, 0].copy() if labels.shape[1] == 1 else labels.copy()


def batch_rows(width: int) -> int:
    """Return how many rows of a width make a batch of bounded memory."""
    return max(1, BATCH_CELLS // max(1, width))
