"""`application/jsonlines`: one instance a line, answers one object a line (cdf-inference.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise, starmap
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.decimals import cells, trimmed
from sagecask.formats.instances import add_features, label
from sagecask.formats.json import load
from sagecask.formats.lines import blocks, utf8
from sagecask.formats.records import Records
from sagecask.formats.rows import Rows, join_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sagecask.formats.predictions import Predictions


class JsonLinesCodec(Codec):
    """Instances in any form of `application/json`; blank lines do not count. Labels stand under `label`."""

    name = "JSON Lines"

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        for line, block in blocks(stream, layout.charset, where):
            batch = _batch(block, line, Rows(layout.width, mixed=False), where)
            if batch is not None:
                layout = replace(layout, width=batch.width)
                yield batch

    def read_records(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Records]:
        for line, block in blocks(stream, layout.charset, where):
            found = _records(block, line, where)
            if found.values:
                yield found
            # not kept alive while the next ones are made
            del found

    def decode(self, body: bytes, layout: Layout) -> Batch:
        where = "request body"
        batch = _batch(utf8(body, layout.charset, where), 1, Rows(layout.width), where)
        if batch is None:
            raise DataError(f"{where}: at least one row is needed; got none")
        return batch

    def records(self, body: bytes, layout: Layout) -> Records:
        where = "request body"
        found = _records(utf8(body, layout.charset, where), 1, where)
        if not found.values:
            raise DataError(f"{where}: at least one instance is needed; got none")
        return found

    def encode(self, predictions: Predictions) -> bytes:
        """Return one object per row, a newline after each."""
        compact = predictions.form.compact_lines
        encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":")) if compact else json.JSONEncoder()
        return "".join(encoder.encode(record) + "\n" for record in predictions.records()).encode()


def write(batch: Batch) -> bytes:
    """Return rows as objects with `features` or, where they are CSR, `data.features`; a NaN is null."""
    if isinstance(batch.features, np.ndarray):
        rows = [b'{"features":[%s]' % row for row in _lists(batch.features)]
    else:
        form = b'{"data":{"features":{"keys":[%s],"shape":[%d],"values":[%s]}}'
        ends = batch.features.indptr.tolist()
        keys, values = list(map(b"%d".__mod__, batch.features.indices.tolist())), _numbers(batch.features.data)
        spans = list(starmap(slice, pairwise(ends)))
        rows = [form % (b",".join(keys[span]), batch.width, b",".join(values[span])) for span in spans]
    if batch.labels is not None:
        single = batch.labels.ndim == 1
        labels = _numbers(batch.labels) if single else [b"[%s]" % each for each in _lists(batch.labels)]
        rows = [b'%s,"label":%s' % pair for pair in zip(rows, labels, strict=True)]
    return trimmed(b"".join(b"%s}\n" % row for row in rows), b",]}")


def _lists(table: NDArray[np.float32]) -> list[bytes]:
    texts = iter(_numbers(table.ravel()))
    return [b",".join(row) for row in zip(*[texts] * table.shape[1], strict=True)]


def _numbers(numbers: NDArray[np.float32]) -> list[bytes]:
    texts = cells(numbers)
    if not np.isfinite(numbers).all():
        # JSON has no word for infinity, but numbers that no double can hold
        odd = {b"nan": b"null", b"inf": b"1e999", b"-inf": b"-1e999"}
        texts = [odd.get(text, text) for text in texts]
    return texts


def _records(block: bytes, first: int, where: str) -> Records:
    places = []
    values = []
    for number, line in enumerate(block.split(b"\n"), first):
        if line.strip():
            place = f"{where}, line {number}"
            values.append(load(line, place))
            places.append(place)
    return Records(values, places)


def _batch(block: bytes, first: int, rows: Rows, where: str) -> Batch | None:
    labels, places = [], []
    for number, line in enumerate(block.split(b"\n"), first):
        if line.strip():
            place = f"{where}, line {number}"
            instance = load(line, place)
            add_features(instance, rows, place)
            labels.append(label(instance, place))
            places.append(place)
    return Batch(rows.features(), join_labels(labels, places)) if places else None
