"""`sagecask convert`: training data from one format into another, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sagecask.datasets.file_format import FORMATS, FileFormat, named, of_target
from sagecask.datasets.progress import Progress
from sagecask.datasets.shape import Absent, shaped
from sagecask.datasets.source import Source, SourceDescription
from sagecask.datasets.summary import Summary, Tally
from sagecask.datasets.target import Target
from sagecask.errors import DataError, UsageError, UserError
from sagecask.formats import MediaType
from sagecask.formats.writer import FORMS, FileForm, form_for

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.formats import Batch


@dataclass(frozen=True, slots=True)
class TargetDescription:
    """What a person says about the new files.

    content_type : short name or content type; None goes by the extension
    shards : number of files in a folder; None is one file
    sparse : whether rows are written as CSR; None is as they come, where the format has both
    absent : what an entry stands for that sparse rows leave out
    drop_weights : whether weights may be lost
    width : features of libsvm rows at least; None looks at all rows first
    """

    path: Path
    content_type: str | None = None
    shards: int | None = None
    sparse: bool | None = None
    absent: Absent = "zero"
    drop_weights: bool = False
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written."""

    source: FileFormat
    target: FileFormat
    files: tuple[Path, ...]
    names: tuple[str, ...]
    summary: Summary

    def facts(self) -> dict[str, object]:
        """Return the conversion as JSON has it."""
        return {
            "from": self.source.content_type,
            "to": self.target.content_type,
            "files": [str(path) for path in self.files],
            "columns": list(self.names),
            **self.summary.facts(),
        }

    def lines(self) -> list[tuple[str, str]]:
        """Return the conversion as a person reads it: what, and its value."""
        files = str(self.files[0]) if len(self.files) == 1 else f"{len(self.files)} files, {self.files[0]} and on"
        shown = [("written", files), ("formats", f"{self.source.name} to {self.target.name}")]
        if self.names:
            more = f" and {len(self.names) - 10:,} more" if len(self.names) > 10 else ""
            shown.append(("columns", ", ".join(self.names[:10]) + more))
        return [*shown, *self.summary.lines()]


def convert(about: SourceDescription, wanted: TargetDescription, *, terminal: bool) -> Conversion:
    """Write the rows of a source into new files.

    Raises
    ------
    UsageError : options contradict each other or the formats
    DataError : a row is not of the source's format, there is none, or the target has no place for it
    UserError : the source is missing, or the target is in the way
    """
    kind = of_target(wanted.path) if wanted.content_type is None else named(wanted.content_type, "--to")[0]
    form = form_for(MediaType(kind.content_type))
    _check(wanted, kind, form)
    source = Source(about)
    target = Target(wanted.path, wanted.shards, kind.extensions[0])
    target.check(source.files)
    # libsvm says how wide it is at its end alone, and other formats at the start of each row
    measured = source.format.name == "libsvm" and kind.name != "libsvm" and wanted.width is None
    tally = Tally()
    with target, Progress("convert", source.size * (1 + measured), terminal=terminal) as progress:
        width = source.width(progress.advance) if measured else wanted.width
        for batch in source.batches(progress.advance, width if source.format.name == "libsvm" else None):
            if tally.rows == 0:
                wanted = replace(wanted, sparse=_sparse(batch, wanted, form))
                _refuse_weights(batch, wanted, kind, form)
                target.open(form, _names(source, batch, wanted))
            tally.add(batch)
            kept = replace(batch, weights=None) if wanted.drop_weights else batch
            for part in shaped(kept, sparse=bool(wanted.sparse), absent=wanted.absent):
                target.write(part)
        if tally.rows == 0:
            raise DataError(f"{about.path}: at least one row is needed; got none")
        target.finish()
    return Conversion(source.format, kind, tuple(target.files), tuple(source.names), tally.summary())


def _check(wanted: TargetDescription, kind: FileFormat, form: FileForm) -> None:
    has = {True: form.sparse, False: form.dense}
    if wanted.sparse is not None and not has[wanted.sparse]:
        option = "--sparse" if wanted.sparse else "--dense"
        raise UsageError(f"{option}: a target format with such rows is needed; got {kind.name}")


def _sparse(batch: Batch, wanted: TargetDescription, form: FileForm) -> bool:
    if wanted.sparse is not None:
        return wanted.sparse
    return form.sparse and (batch.sparse or not form.dense)


def _names(source: Source, batch: Batch, wanted: TargetDescription) -> list[str]:
    names = source.column_names(batch, batch.width)
    if wanted.drop_weights and batch.weights is not None:
        del names[-batch.width - 1]
    return names


def _refuse_weights(batch: Batch, wanted: TargetDescription, kind: FileFormat, form: FileForm) -> None:
    if batch.weights is not None and not form.weighted and not wanted.drop_weights:
        fits = ", ".join(each.name for each in FORMATS if FORMS[each.content_type].weighted)
        raise UserError(
            f"{wanted.path}: --drop-weights, or a format with weights ({fits}) is needed for rows that have them; "
            f"got {kind.name}"
        )
