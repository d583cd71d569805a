"""`text/libsvm`: a label and index:value pairs a line; indices are taken as written, column 0 included (xgboost.md)."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.decimals import cells, trimmed
from sagecask.formats.lines import blocks, quote, utf8
from sagecask.formats.order import in_order
from sagecask.formats.rounding import double_for_float32, halfway
from sagecask.formats.rows import MAX_WIDTH, as_csr
from sagecask.native import core
from sagecask.native.interface import END

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sagecask.native.interface import Core


class LibsvmCodec(Codec):
    """Sparse rows as CSR, as wide as `layout.width` or the highest index asks for, whichever is more.

    Training lines are `label` or `label:weight`, then pairs. In requests the label is optional: numbers without a
    colon are skipped, anything with a colon is a pair. What follows a # is a comment.
    """

    name = "libsvm"

    def __init__(self, core: Core | None = core) -> None:
        """Use the compiled core for whatever is well-formed, or numpy for all of it."""
        self._core = core

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        weighted = None
        work = partial(self._parsed, labelled=True, where=where)
        numbered = blocks(stream, layout.charset, where)
        for parsed in in_order(work, numbered, side_by_side=self._core is not None):
            if parsed is None:
                continue
            weighted = parsed.weights is not None if weighted is None else weighted
            if weighted != (parsed.weights is not None):
                raise DataError(f"{where}, line {parsed.line}: weights on all lines or on none are needed; got both")
            batch = parsed.batch(layout.width)
            # blocks differ in their highest index; the widest so far keeps the batches alike
            layout = replace(layout, width=batch.width)
            yield batch
            # not kept alive while the next one is made
            del batch, parsed

    def decode(self, body: bytes, layout: Layout) -> Batch:
        where = "request body"
        parsed = self._parsed((1, utf8(body, layout.charset, where)), labelled=False, where=where)
        if parsed is None:
            raise DataError(f"{where}: at least one row is needed; got none")
        return parsed.batch(layout.width)

    def _parsed(self, numbered: tuple[int, bytes], *, labelled: bool, where: str) -> _Parsed | None:
        """Return the rows of a block, whose first line has a number, or None when it has none."""
        first, block = numbered
        quickly = _compiled(block, first, self._core, labelled=labelled) if self._core is not None else None
        if quickly is not None:
            return quickly
        lines = _lines(block, first)
        return _parse(lines, labelled=labelled, where=where) if lines else None


def write(batch: Batch) -> bytes:
    """Return CSR rows as lines, indices from zero; what is absent is not written, and no line says the width.

    Raises
    ------
    DataError : a row has not exactly one label
    """
    if isinstance(batch.features, np.ndarray):
        raise TypeError("CSR rows are needed; got dense ones")
    if batch.labels is None or batch.labels.ndim > 1:
        got = 0 if batch.labels is None else batch.labels.shape[1]
        raise DataError(f"libsvm: exactly one label a row is needed; got {got}")
    leads = cells(batch.labels)
    if batch.weights is not None:
        leads = [b"%s:%s" % pair for pair in zip(leads, cells(batch.weights), strict=True)]
    pairs = [b" %d:%s" % pair for pair in zip(batch.features.indices.tolist(), cells(batch.features.data), strict=True)]
    ends = batch.features.indptr.tolist()
    rows = (lead + b"".join(pairs[at:to]) for lead, at, to in zip(leads, ends, ends[1:], strict=False))
    return trimmed(b"".join(b"%s\n" % row for row in rows), b" :\n")


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Lines as arrays: where each one's pairs end, from 0, their `indices` and float32 `values`; labels (n_rows,).

    `line` is the number of the first of them, `rising` whether the indices of every line are known to rise.
    """

    line: int
    ends: NDArray[np.integer]
    indices: NDArray[np.integer]
    values: NDArray[np.float32]
    labels: NDArray[np.float32] | None
    weights: NDArray[np.float32] | None
    rising: bool = False

    def batch(self, width: int | None) -> Batch:
        highest = int(self.indices.max()) + 1 if len(self.indices) else 0
        features = as_csr(self.values, self.indices, self.ends, max(highest, width or 0), rising=self.rising)
        return Batch(features, self.labels, self.weights)


def _compiled(block: bytes, first: int, core: Core, *, labelled: bool) -> _Parsed | None:
    """Return the lines of a block, or None where they need a closer look."""
    capacity, room = core.count_lines(block), core.count_entries(block)
    labels, weights = np.empty((2, capacity), np.float32)
    values, indices, ends = np.empty(room, np.float32), np.empty(room, np.int32), np.empty(capacity + 1, np.int64)
    rows, *_, why, _, weighted, rising = core.libsvm(block, labelled, labels, weights, (values, indices, ends))
    if why != END or not rows or (labelled and weighted not in {0, rows}):
        return None
    ends = ends[: rows + 1]
    values, indices = values[: ends[-1]], indices[: ends[-1]]
    if not rising and _repeated(indices, np.diff(ends)) is not None:
        return None
    line = first + _blank_lines(block)
    if not labelled:
        return _Parsed(line, ends, indices, values, None, None, rising)
    labels, weights = labels[:rows], weights[:rows]
    if np.isnan(labels).any() or np.isnan(weights).any():
        return None
    return _Parsed(line, ends, indices, values, labels, weights if weighted else None, rising)


def _blank_lines(block: bytes) -> int:
    """Return how many lines before the first row are blank or all comment; there is a row."""
    lines = io.BytesIO(block)
    return next(number for number, line in enumerate(lines) if line.partition(b"#")[0].strip())


def _lines(block: bytes, first: int) -> list[tuple[int, str]]:
    """Return number and text of the lines that are neither blank nor all comment."""
    text = block.decode("utf-8", "replace")
    pairs: Iterator[tuple[int, str]] = ((number, line) for number, line in enumerate(text.split("\n"), first))
    if "#" in text:
        pairs = ((number, line.partition("#")[0]) for number, line in pairs)
    return [(number, line) for number, line in pairs if line and not line.isspace()]


def _parse(lines: Sequence[tuple[int, str]], *, labelled: bool, where: str) -> _Parsed:
    try:
        return _numbers([line for _, line in lines], lines[0][0], labelled=labelled)
    except ValueError as fault:
        for number, line in lines:
            try:
                _numbers([line], number, labelled=labelled)
            except ValueError as error:
                form = "a label, then index:value pairs" if labelled else "index:value pairs"
                raise DataError(f"{where}, line {number}: {form} are needed; got {quote(line)} ({error})") from error
        raise DataError(f"{where}, line {lines[0][0]}: weights on all lines or on none are needed; got both") from fault


def _numbers(lines: Sequence[str], first: int, *, labelled: bool) -> _Parsed:
    """Return the lines' numbers; `first` is the number of the first line.

    Raises
    ------
    ValueError : one of the lines is not well-formed; says what, not where
    """
    rows = [line.split() for line in lines]
    labels = weights = None
    if labelled:
        labels, weights = _labels([row[0] for row in rows])
        rows = [row[1:] for row in rows]
    else:
        _columns([token for row in rows for token in row if ":" not in token], 1, "what has no colon is a number")
        rows = [[token for token in row if ":" in token] for row in rows]
    pairs = _columns(list(chain.from_iterable(rows)), 2, "pairs are index:value, both numbers")
    positions = pairs[:, 0]
    if not ((positions >= 0) & (positions < MAX_WIDTH) & (np.floor(positions) == positions)).all():
        raise ValueError(f"indices are whole numbers in [0, {MAX_WIDTH})")
    indices = positions.astype(np.int64)
    counts = [len(row) for row in rows]
    repeated = _repeated(indices, counts)
    if repeated is not None:
        raise ValueError(f"index {repeated} occurs twice")
    with np.errstate(over="ignore"):
        values = pairs[:, 1].astype(np.float32)
    return _Parsed(first, np.cumsum([0, *counts]), indices, values, labels, weights)


def _labels(tokens: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    weighted = ":" in tokens[0]
    fault = "label and weight are numbers" if weighted else "a label is a number"
    with np.errstate(over="ignore"):
        columns = _columns(tokens, 1 + weighted, fault).astype(np.float32)
    if np.isnan(columns).any():
        raise ValueError(fault)
    return columns[:, 0], columns[:, 1] if weighted else None


def _columns(tokens: Sequence[str], width: int, fault: str) -> NDArray[np.float64]:
    """Return tokens of `width` numbers joined by colons as (n_tokens, width) doubles that can be rounded to float32.

    Raises
    ------
    ValueError : `fault`
    """
    if not tokens:
        return np.empty((0, width))
    try:
        columns = np.loadtxt(tokens, dtype=np.float64, delimiter=":", comments=None, ndmin=2)
    except ValueError as error:
        raise ValueError(fault) from error
    if columns.shape[1] != width:
        raise ValueError(fault)
    for row, column in np.argwhere(halfway(columns)):
        columns[row, column] = double_for_float32(tokens[row].split(":")[column])
    return columns


def _repeated(indices: NDArray[np.integer], counts: Sequence[int] | NDArray[np.integer]) -> int | None:
    """Return the first index that a row names twice, or None."""
    rows = np.repeat(np.arange(len(counts)), counts)
    within = np.diff(rows) == 0
    if not ((np.diff(indices) <= 0) & within).any():
        return None
    # `rows` is in order and stays so
    indices = indices[np.lexsort((indices, rows))]
    repeated = (np.diff(indices) == 0) & within
    return int(indices[:-1][repeated][0]) if repeated.any() else None
