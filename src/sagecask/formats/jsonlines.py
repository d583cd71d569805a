"""`application/jsonlines`: one instance a line, answers one object a line (cdf-inference.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from sagecask.errors import DataError
from sagecask.formats.batch import Batch
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.instances import add_features, label
from sagecask.formats.json import load
from sagecask.formats.lines import blocks, utf8
from sagecask.formats.rows import Rows, join_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.formats.predictions import Predictions


class JsonLinesCodec(Codec):
    """Instances in any form of `application/json`; blank lines do not count. Labels stand under `label`."""

    name = "JSON Lines"

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        for line, block in blocks(stream, layout.charset, where):
            batch = _batch(block, line, layout, where)
            if batch is not None:
                layout = replace(layout, width=batch.width)
                yield batch

    def decode(self, body: bytes, layout: Layout) -> Batch:
        where = "request body"
        batch = _batch(utf8(body, layout.charset, where), 1, layout, where)
        if batch is None:
            raise DataError(f"{where}: at least one row is needed; got none")
        return batch

    def encode(self, predictions: Predictions) -> bytes:
        """Return one object per row, a newline after each."""
        return "".join(json.dumps(record) + "\n" for record in predictions.records()).encode()


def _batch(block: bytes, first: int, layout: Layout, where: str) -> Batch | None:
    rows, labels, places = Rows(layout.width), [], []
    for number, line in enumerate(block.split(b"\n"), first):
        if line.strip():
            place = f"{where}, line {number}"
            instance = load(line, place)
            add_features(instance, rows, place)
            labels.append(label(instance, place))
            places.append(place)
    return Batch(rows.features(), join_labels(labels, places)) if places else None
