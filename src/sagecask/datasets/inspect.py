"""`sagecask inspect`: what a file of training data holds, for a terminal, for programs, or as a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sagecask.datasets.columns import Column, ColumnTally, Histograms
from sagecask.datasets.progress import Progress
from sagecask.datasets.shape import taken
from sagecask.datasets.source import Source, SourceDescription
from sagecask.datasets.summary import Summary, Tally
from sagecask.errors import DataError
from sagecask.formats import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sagecask.datasets.file_format import FileFormat

SHOWN_ROWS = 5
SHOWN_CELLS = 8
SHOWN_COLUMNS = 40
# hashed features can have billions of positions
MAX_COLUMNS = 100_000


@dataclass(frozen=True, slots=True)
class Histogram:
    """Rows of a column in each bin; `edges` has one more entry than `counts`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    columns : labels and weight, which are `lead` columns, then features, up to `MAX_COLUMNS` of them
    first_rows : the same columns of the first rows; sparse rows have zeros for what they leave out
    histograms : of the first columns, none where nobody asked for them
    """

    path: Path
    format: FileFormat
    bytes: int
    summary: Summary
    lead: int
    columns: tuple[Column, ...]
    first_rows: tuple[tuple[float, ...], ...]
    histograms: tuple[Histogram, ...] = ()

    def facts(self) -> dict[str, object]:
        """Return the inspection as JSON has it; NaN and infinities of the first rows are null."""
        rows = [[value if np.isfinite(value) else None for value in row] for row in self.first_rows]
        return {
            "file": str(self.path),
            "format": self.format.content_type,
            "bytes": self.bytes,
            **self.summary.facts(),
            "columns": [column.facts() for column in self.columns[self.lead :]],
            "first_rows": rows,
        }

    def text(self) -> str:
        """Return what a terminal shows."""
        head = [("file", str(self.path)), ("format", f"{self.format.name} ({self.format.content_type})"),
                ("size", f"{self.bytes:,} bytes")]  # fmt: skip
        facts = [f"{name:<10}{value}" for name, value in [*head, *self.summary.lines()]]
        return "\n".join([*facts, "", *self._rows(), "", *self._columns()])

    def _rows(self) -> list[str]:
        shown = self.lead + SHOWN_CELLS
        more = " ..." if len(self.columns) > shown else ""
        names = [column.name[:12] for column in self.columns[:shown]]
        cells = [names, *([f"{value:.6g}" for value in row[:shown]] for row in self.first_rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return ["first rows", *(f"  {line}{more}" for line in lines)]

    def _columns(self) -> list[str]:
        head = f"{'column':<24}{'min':>12}{'mean':>12}{'max':>12}{'missing':>12}{'zeros':>12}"
        rows = [
            f"{each.name[:22]:<24}{each.minimum:>12.5g}{each.mean:>12.5g}{each.maximum:>12.5g}"
            f"{each.missing:>12,}{each.zeros:>12,}" + f"  {each.infinite:,} infinite" * bool(each.infinite)
            for each in self.columns[:SHOWN_COLUMNS]
        ]
        left = self.summary.features + self.lead - SHOWN_COLUMNS
        has = "them" if self.summary.features <= MAX_COLUMNS else f"the first {MAX_COLUMNS:,}"
        return [head, *rows, *([f"... and {left:,} more; --json has {has}"] if left > 0 else [])]


def inspect(about: SourceDescription, *, plots: int, terminal: bool) -> Inspection:
    """Read a file once, or twice where `plots`, the number of columns with a histogram, is above 0.

    Raises
    ------
    UsageError : options contradict the format
    DataError : a row is not of the format, or there is none
    """
    source = Source(about)
    tally, leads, features, first = Tally(), ColumnTally(), ColumnTally(), None
    with Progress("inspect", source.size * (1 + bool(plots)), terminal=terminal) as progress:
        for batch in source.batches(progress.advance):
            tally.add(batch)
            part = _narrowed(batch)
            first = first or taken(part, slice(SHOWN_ROWS))
            leads.add(_lead(part))
            features.add(part)
        if first is None:
            raise DataError(f"{about.path}: at least one row is needed; got none")
        lead = _lead(first).width
        width = features.width
        names = source.column_names(first, width)
        columns = (*leads.columns(names[:lead]), *features.columns(names[lead:]))
        histograms = _histograms(source, progress, columns, lead, plots) if plots else ()
    rows = _values(first, width)
    return Inspection(about.path, source.format, source.size, tally.summary(), lead, columns, rows, histograms)


def _histograms(
    source: Source, progress: Progress, columns: Sequence[Column], lead: int, plots: int
) -> tuple[Histogram, ...]:
    both = (Histograms(columns[:lead]), Histograms(columns[lead : lead + plots]))
    for batch in source.batches(progress.advance):
        both[0].add(_lead(batch))
        both[1].add(batch)
    return tuple(
        Histogram(tuple(edges.tolist()), tuple(counts))
        for each in both
        for edges, counts in zip(each.edges, each.counts(), strict=True)
    )


def _narrowed(batch: Batch) -> Batch:
    return batch if batch.width <= MAX_COLUMNS else replace(batch, features=batch.features[:, :MAX_COLUMNS])


def _lead(batch: Batch) -> Batch:
    """Return labels and weight as if they were features; none of them is a width of 0."""
    lead = [column for column in (batch.labels, batch.weights) if column is not None]
    return Batch(np.column_stack(lead) if lead else np.empty((len(batch), 0), dtype=np.float32))


def _values(first: Batch, width: int) -> tuple[tuple[float, ...], ...]:
    """Return labels, weight and features of rows, as wide as the file."""
    table = first.features if isinstance(first.features, np.ndarray) else first.features.toarray()
    beside = np.zeros((len(first), width - first.width))
    return tuple(map(tuple, np.column_stack([_lead(first).features, table, beside]).tolist()))
