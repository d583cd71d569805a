"""`application/x-parquet` as training data: numeric columns, labels first, nulls missing (xgboost.md); or records."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.lines import printable, quote
from sagecask.formats.parquet_values import values
from sagecask.formats.records import Records
from sagecask.formats.spool import spooled
from sagecask.formats.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

T = TypeVar("T")

BATCH_CELLS = 2 * 1024 * 1024
# what a record takes, nothing in the file says reliably: it may be a series of a million points
BATCH_RECORDS = 64
BUFFER_BYTES = 256 * 1024
_NUMERIC = (
    pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null,
)  # fmt: skip
# a data frame's row numbers, which pandas writes as a last column
_INDEX = re.compile(r"__index_level_\d+__")


class ParquetCodec(Codec):
    """Reads training data alone; the weight column of other formats does not exist here."""

    name = "Parquet"

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        if stream.seekable():
            yield from self._read(stream, layout, where)
            return
        with spooled(stream) as files:
            for file in files:
                for batch in self._read(file, layout, where):
                    layout = replace(layout, width=batch.width)
                    yield batch

    def read_records(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Records]:  # noqa: ARG002 - text is UTF-8
        if stream.seekable():
            yield from _records(stream, where)
            return
        with spooled(stream) as files:
            for file in files:
                yield from _records(file, where)

    def _read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        # without a buffer size whole columns of a row group would be in memory
        file = _guarded(lambda: pq.ParquetFile(stream, buffer_size=BUFFER_BYTES), where)
        chosen = _columns(_guarded(lambda: file.schema_arrow, where), layout, where)
        batches = file.iter_batches(max(1, BATCH_CELLS // len(chosen)), use_threads=False)
        first = 1
        while (batch := _guarded(lambda: next(batches, None), where)) is not None:
            table = _table(batch, chosen, where)
            if len(table):
                yield _split(table, layout, first, where)
            first += len(table)


class ParquetWriter(Writer):
    """A float32 column for each label and feature, NaN as null."""

    def __init__(self, stream: BinaryIO, names: Sequence[str]) -> None:
        self._schema = pa.schema([(name, pa.float32()) for name in names])
        self._file = pq.ParquetWriter(stream, self._schema)

    def write(self, batch: Batch) -> None:
        lead = [] if batch.labels is None else list(batch.labels.reshape(len(batch), -1).T)
        columns = [*lead, *np.asarray(batch.features).T]
        arrays = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in columns]
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        self._file.close()


def column_names(stream: BinaryIO) -> list[str]:
    """Return the names of the columns that are data, none where a stream cannot seek; it stays where it is."""
    if not stream.seekable():
        return []
    at = stream.tell()
    try:
        return [name for name in pq.read_schema(stream).names if not _INDEX.fullmatch(name)]
    except (pa.ArrowException, OSError, ValueError):
        # the reader has the words for what is no Parquet file
        return []
    finally:
        stream.seek(at)


def _records(stream: BinaryIO, where: str) -> Iterator[Records]:
    file = _guarded(lambda: pq.ParquetFile(stream, buffer_size=BUFFER_BYTES), where)
    names = _guarded(lambda: file.schema_arrow.names, where)
    batches = file.iter_batches(BATCH_RECORDS, use_threads=False)
    first = 1
    while (batch := _guarded(lambda: next(batches, None), where)) is not None:
        places = [f"{where}, row {number}" for number in range(first, first + batch.num_rows)]
        yield Records(_rows(batch, names, where), places)
        first += batch.num_rows


def _rows(batch: pa.RecordBatch, names: Sequence[str], where: str) -> list[object]:
    rows: list[dict[str, object]] = [{} for _ in range(batch.num_rows)]
    for position, name in enumerate(names):
        if not _INDEX.fullmatch(name):
            column = _guarded(partial(values, batch.column(position)), f"{where}, column {quote(name)}")
            for row, value in zip(rows, column, strict=True):
                row[name] = value
    return list(rows)


def _guarded(step: Callable[[], T], where: str) -> T:
    try:
        return step()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: a Parquet file is needed; got {printable(error)}") from error


def _columns(schema: pa.Schema, layout: Layout, where: str) -> list[int]:
    """Return the positions of the columns that are data, after a look at their types and number."""
    chosen = [position for position, name in enumerate(schema.names) if not _INDEX.fullmatch(name)]
    for position in chosen:
        field = schema.field(position)
        if not any(holds(_inner(field.type)) for holds in _NUMERIC):
            raise DataError(f"{where}, column {quote(field.name)}: numbers are needed; got {printable(field.type)}")
    features = len(chosen) - layout.label_size
    if features < 1:
        raise DataError(f"{where}: at least {layout.label_size + 1} columns are needed; got {len(chosen)}")
    if layout.width not in {None, features}:
        raise DataError(f"{where}: {features} features, expected {layout.width}")
    return chosen


def _inner(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _table(batch: pa.RecordBatch, chosen: Sequence[int], where: str) -> NDArray[np.float32]:
    table = np.empty((batch.num_rows, len(chosen)), dtype=np.float32)
    for place, position in enumerate(chosen):
        column = batch.column(position)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        numbers = _guarded(partial(column.cast, pa.float32(), safe=False), where)
        table[:, place] = numbers.to_numpy(zero_copy_only=False)
    return table


def _split(table: NDArray[np.float32], layout: Layout, first: int, where: str) -> Batch:
    size = layout.label_size
    if not size:
        return Batch(table)
    labels = table[:, :size]
    if not np.isfinite(labels).all():
        row, column = np.argwhere(~np.isfinite(labels))[0]
        got = "null or nan" if np.isnan(labels[row, column]) else f"{labels[row, column]:g}"
        raise DataError(f"{where}, row {first + row}: a finite number as label is needed; got {got}")
    return Batch(np.ascontiguousarray(table[:, size:]), labels[:, 0].copy() if size == 1 else labels.copy())
