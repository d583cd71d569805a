"""`text/csv`: numbers without a header row, labels first, an empty cell for a missing value (cdf-training.md)."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.decimals import cells, trimmed
from sagecask.formats.lines import quote, utf8, views
from sagecask.formats.order import in_order
from sagecask.formats.rounding import double_for_float32, halfway
from sagecask.native import core
from sagecask.native.interface import END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from sagecask.formats.predictions import Predictions
    from sagecask.native.interface import Core

    Text = bytes | memoryview

# the comma comes late: where another of these occurs, it is a decimal comma
DELIMITERS = "\t;|, "


class CsvCodec(Codec):
    """Rows of numbers; every number becomes the float32 nearest to it."""

    name = "CSV"

    def __init__(self, core: Core | None = core) -> None:
        """Use the compiled core for whatever is well-formed, or numpy for all of it."""
        self._core = core

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        numbered = views(stream, layout.charset, where)
        for line, block in numbered:
            first = self._batch(block, line, layout, where)
            if first is not None:
                # from here on blocks do not depend on each other
                layout = replace(layout, delimiter=_delimiter(block, layout), width=first.width)
                yield first
                break
        work = partial(self._next, layout=layout, where=where)
        yield from (
            batch for batch in in_order(work, numbered, side_by_side=self._core is not None) if batch is not None
        )

    def decode(self, body: bytes, layout: Layout) -> Batch:
        where = "request body"
        batch = self._batch(utf8(body, layout.charset, where), 1, layout, where)
        if batch is None:
            raise DataError(f"{where}: at least one row is needed; got none")
        return batch

    def _next(self, numbered: tuple[int, memoryview], layout: Layout, where: str) -> Batch | None:
        line, block = numbered
        return self._batch(block, line, layout, where)

    def _batch(self, block: Text, line: int, layout: Layout, where: str) -> Batch | None:
        """Return the rows of a block whose first line has the number `line`, or None when all its lines are blank."""
        delimiter = _delimiter(block, layout)
        quickly = _compiled(block, delimiter, layout, self._core) if self._core is not None else None
        if quickly is not None:
            return quickly
        return _batch(bytes(block), line, replace(layout, delimiter=delimiter), where)

    def encode(self, predictions: Predictions) -> bytes:
        """Return one line per row; a list value becomes what `AnswerForm.csv_lists` says."""
        form = predictions.form
        cells = LISTS[form.csv_lists]
        columns = [
            [cells(value) if isinstance(value, list) else _cell(value) for value in column]
            for column in predictions.plain().values()
        ]
        text = form.csv_between_rows.join(map(",".join, zip(*columns, strict=True)))
        return (text + "\n" * (form.csv_final_newline and bool(text))).encode()


def write(batch: Batch) -> bytes:
    """Return dense rows as lines of labels, weight and features, an empty cell for NaN."""
    lead = [column for column in (batch.labels, batch.weights) if column is not None]
    table = np.column_stack([*lead, batch.features]) if lead else np.asarray(batch.features)
    width = table.shape[1]
    texts = iter(cells(table.ravel()))
    text = b"".join(b"%s\n" % b",".join(row) for row in zip(*[texts] * width, strict=True))
    # a line without anything would be no row
    return trimmed(text if width == 1 else text.replace(b"nan", b""), b",\n")


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\r\n') else value


def _flat(values: list[object]) -> str:
    return ",".join(map(_cell, values))


def _quoted(values: list[object]) -> str:
    return '"' + json.dumps(values).replace('"', '""') + '"'


LISTS: dict[str, Callable[[list[object]], str]] = {"flat": _flat, "quoted": _quoted, "bracketed": json.dumps}


def _compiled(block: Text, delimiter: str, layout: Layout, core: Core) -> Batch | None:
    """Return the rows of a block, or None where it needs a closer look."""
    first = layout.label_size + layout.weighted
    if delimiter not in DELIMITERS:
        return None
    width = _first_line(block).count(delimiter.encode()) + 1 - first if layout.width is None else layout.width
    columns = first + width
    # a row has at least its delimiters and a line end
    if width < 1 or len(block) < columns - 1:
        return None
    capacity = min(core.count_lines(block), len(block) // columns + 1)
    lead, features = np.empty((capacity, first), np.float32), np.empty((capacity, width), np.float32)
    rows, _, _, why = core.csv(block, ord(delimiter), lead, features)
    if why != END or not rows or (first and np.isnan(lead[:rows]).any()):
        return None
    return _split(lead[:rows], features[:rows], layout)


def _split(lead: NDArray[np.float32], features: NDArray[np.float32], layout: Layout) -> Batch:
    labels = lead[:, : layout.label_size].copy() if layout.label_size else None
    return Batch(
        features=features,
        labels=labels[:, 0] if labels is not None and layout.label_size == 1 else labels,
        weights=lead[:, layout.label_size].copy() if layout.weighted else None,
    )


def _batch(block: bytes, line: int, layout: Layout, where: str) -> Batch | None:
    if not block.strip(b"\r\n"):
        return None
    cells = parse(block, layout.delimiter or ",")
    if cells is None or not _fits(cells, layout):
        cells = _parse_exactly(block, line, layout, where)
    if not len(cells):
        return None
    first = layout.label_size + layout.weighted
    return _split(cells[:, :first], np.ascontiguousarray(cells[:, first:]), layout)


def _delimiter(block: Text, layout: Layout) -> str:
    if layout.delimiter is not None:
        return layout.delimiter
    first = _first_line(block).strip().decode("utf-8", "replace")
    return next((each for each in DELIMITERS if each in first), ",")


def _first_line(block: Text) -> bytes:
    filled = bytes(block).lstrip(b"\r\n")
    end = filled.find(b"\n")
    return filled if end < 0 else filled[:end]


def parse(block: bytes, delimiter: str) -> NDArray[np.float32] | None:
    """Return (n_rows, n_columns) float32 with NaN for empty cells, or None where a block needs a closer look.

    The well-formed case at the speed of numpy's parser; it reads doubles, so that a number in the middle between two
    float32 is left to the closer look.
    """
    if b'"' in block:
        return None
    cells = _load(block, delimiter)
    if cells is not None:
        return cells
    mark = delimiter.encode()
    # twice, since a run of three delimiters overlaps itself
    for _ in range(2):
        block = block.replace(mark + mark, mark + b"nan" + mark)
    block = b"\n" + block.replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
    block = block.replace(b"\n" + mark, b"\nnan" + mark).replace(mark + b"\n", mark + b"nan\n")
    return _load(block, delimiter)


def _load(block: bytes, delimiter: str) -> NDArray[np.float32] | None:
    # Latin-1 takes any byte; what is not ASCII is no number then
    lines = block.decode("latin-1").split("\n")
    try:
        cells = np.loadtxt(lines, dtype=np.float64, delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    with np.errstate(over="ignore"):
        return None if halfway(cells).any() else cells.astype(np.float32)


def _fits(cells: NDArray[np.float32], layout: Layout) -> bool:
    first = layout.label_size + layout.weighted
    width = cells.shape[1] - first
    return width > 0 and layout.width in {None, width} and not (first and np.isnan(cells[:, :first]).any())


def _parse_exactly(block: bytes, line: int, layout: Layout, where: str) -> NDArray[np.float32]:
    """Return what `parse` returns, cell by cell, quoted cells included; raise with line and column."""
    text = block.decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter or ",", strict=True)
    first = layout.label_size + layout.weighted
    columns = None if layout.width is None else first + layout.width
    rows: list[list[float]] = []
    try:
        for row in reader:
            at = line + reader.line_num - 1
            if not row or (len(row) == 1 and row[0].isspace()):
                continue
            if at == 1 and "\n" in text.strip():
                _refuse_header(row, layout.delimiter or ",", where)
            columns = columns or max(len(row), first + 1)
            if len(row) != columns:
                raise DataError(f"{where}, line {at}: {_count(len(row), 'column')}, {_expected(columns, layout)}")
            rows.append(_numbers(row, first, f"{where}, line {at}"))
    except csv.Error as error:
        raise DataError(
            f"{where}, line {line + reader.line_num - 1}: well-formed CSV is needed; got {error}"
        ) from error
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float32).reshape(len(rows), -1 if rows else 0)


def _refuse_header(row: Sequence[str], delimiter: str, where: str) -> None:
    filled = [(column, cell) for column, cell in enumerate(row, 1) if cell.strip()]
    texts = [(column, cell) for column, cell in filled if _number(cell) is None]
    # one odd cell among numbers is a fault of that cell
    if len(texts) * 2 <= len(filled):
        return
    column, cell = texts[0]
    other = next((each for each in DELIMITERS if each in cell and None not in map(_number, cell.split(each))), None)
    if len(row) == 1 and other is not None:
        raise DataError(f"{where}, line 1: columns with {quote(delimiter)} between them are needed; got {quote(other)}")
    raise DataError(
        f"{where}, line 1: numbers without a header row are needed; got a header row (column {column} is {quote(cell)})"
    )


def _numbers(row: Sequence[str], first: int, where: str) -> list[float]:
    numbers = []
    for column, cell in enumerate(row, 1):
        number = _number(cell)
        # a label or weight may not be missing
        if number is None or (column <= first and math.isnan(number)):
            raise DataError(f"{where}, column {column}: a number is needed; got {quote(cell)}")
        numbers.append(number)
    return numbers


def _number(cell: str) -> float | None:
    """Return the number, NaN for a blank cell, None for a text."""
    if not cell or cell.isspace():
        return math.nan
    # `float` reads 1_000 and digits of other scripts, numpy's parser does not
    if "_" in cell or not cell.isascii():
        return None
    try:
        return double_for_float32(cell)
    except ValueError:
        return None


def _expected(columns: int, layout: Layout) -> str:
    first = layout.label_size + layout.weighted
    if not first:
        return f"expected {columns}"
    parts = [
        *([_count(layout.label_size, "label")] if layout.label_size else []),
        *(["1 weight"] if layout.weighted else []),
        _count(columns - first, "feature"),
    ]
    return f"expected {columns} ({', '.join(parts)})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
