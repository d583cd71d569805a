"""`application/x-npz`: arrays `features`, `labels` and `weights` in one archive, the last two optional."""

from __future__ import annotations

import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.lines import printable, quote
from sagecask.formats.npy import ArrayWriter, Rows, batch_rows, label_columns
from sagecask.formats.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAMES = ("features", "labels", "weights")
# what zipfile raises for bytes that are not as they should be, passwords and unknown compressions included
_UNSOUND = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, OverflowError,
    RuntimeError,
)  # fmt: skip


class NpzCodec(Codec):
    """Training data alone; the arrays are read side by side, a few rows at a time."""

    name = "NumPy archive"

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        try:
            with zipfile.ZipFile(stream) as archive, ExitStack() as stack:
                held = set(archive.namelist())
                if "features.npy" not in held:
                    names = ", ".join(quote(name.removesuffix(".npy")) for name in sorted(held)[:5]) or "none"
                    raise DataError(f'{where}: an array "features" is needed; got {names}')
                arrays = {name: _array(archive, name, stack, where) for name in NAMES if f"{name}.npy" in held}
                yield from batches(arrays, layout, where)
        except _UNSOUND as error:
            raise DataError(f"{where}: a sound NumPy archive is needed; got {printable(error)}") from error


def batches(arrays: Mapping[str, Rows], layout: Layout, where: str) -> Iterator[Batch]:
    """Yield the rows of `features`, with `labels` and `weights` where these are.

    Raises
    ------
    DataError : the arrays have different numbers of rows, or the width is not the layout's
    """
    features = arrays["features"]
    if layout.width not in {None, features.width}:
        raise DataError(f"{where}: {features.width} features, expected {layout.width}")
    for name, rows in arrays.items():
        if rows.count != features.count:
            raise DataError(f"{where}: as many {name} as rows of features ({features.count}) are needed; "
                            f"got {rows.count}")  # fmt: skip
    at = 1
    while len(table := features.read(batch_rows(features.width))):
        beside = {name: rows.read(len(table)) for name, rows in arrays.items() if name != "features"}
        labels, weights = label_columns(beside.get("labels"), at, where), beside.get("weights")
        at += len(table)
        yield Batch(table, labels, None if weights is None else weights[:, 0].copy())


def _array(archive: zipfile.ZipFile, name: str, stack: ExitStack, where: str) -> Rows:
    member = f"{name}.npy"
    rows = Rows(stack.enter_context(cast("BinaryIO", archive.open(member))), f"{where}, {name}")
    if not rows.fortran:
        return rows
    # an archive's member seeks by reading anew from its start
    copy = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 - the stack closes it
    with archive.open(member) as packed:
        shutil.copyfileobj(packed, copy)
    copy.seek(0)
    return Rows(copy, f"{where}, {name}")


class NpzWriter(Writer):
    """Float32 arrays, kept in temporary files until their lengths are known."""

    def __init__(self, stream: BinaryIO, names: Sequence[str]) -> None:  # noqa: ARG002 - an array names no columns
        self._stream = stream
        self._files: dict[str, BinaryIO] = {}
        self._arrays: dict[str, ArrayWriter] = {}

    def write(self, batch: Batch) -> None:
        columns = (np.asarray(batch.features), batch.labels, batch.weights)
        for name, rows in zip(NAMES, columns, strict=True):
            if rows is None:
                continue
            if name not in self._files:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
                self._files[name] = cast("BinaryIO", file)
                self._arrays[name] = ArrayWriter(self._files[name])
            self._arrays[name].write(rows)

    def close(self) -> None:
        with zipfile.ZipFile(self._stream, "w") as archive:
            for name, file in self._files.items():
                self._arrays[name].close()
                file.seek(0)
                # a fixed date, so that equal rows make equal files
                about = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                with archive.open(about, "w", force_zip64=True) as member:
                    shutil.copyfileobj(file, member)
                file.close()
