"""`application/x-recordio-protobuf`: RecordIO frames around protobuf records (cdf-training.md, record.proto)."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from google.protobuf.message import DecodeError

from sagecask.errors import DataError, NotAcceptable
from sagecask.formats.ahead import Ahead
from sagecask.formats.batch import Batch, fresh
from sagecask.formats.codec import Codec, Layout
from sagecask.formats.framing import MAGIC, frame, records
from sagecask.formats.lines import quote
from sagecask.formats.record_pb2 import Record, Value
from sagecask.formats.rows import MAX_WIDTH, Rows, as_csr, join_labels
from sagecask.formats.sparse_records import write_sparse
from sagecask.native import core

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.formats.batch import Room
    from sagecask.formats.predictions import Predictions
    from sagecask.formats.record_pb2 import Float32Tensor, Float64Tensor, Int32Tensor
    from sagecask.native.interface import Buffer, Core

    Tensor = Float32Tensor | Float64Tensor | Int32Tensor

BATCH_BYTES = 2 * 1024 * 1024
BATCH_RECORDS = 16384
KEY = "values"


class RecordioProtobufCodec(Codec):
    """Features and labels stand under the key `values`; other keys are not read. Answers fill the label map."""

    name = "recordIO-protobuf"

    def __init__(self, core: Core | None = core) -> None:
        """Use the compiled core for whatever is well-formed, or protobuf for all of it."""
        self._core = core

    def read(self, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        return self.read_into(fresh, stream, layout, where)

    def read_into(self, room: Room, stream: BinaryIO, layout: Layout, where: str) -> Iterator[Batch]:
        source = Ahead(stream)
        number, width = 1, layout.width
        while True:
            count, portion = source.frames(self._core, BATCH_RECORDS, BATCH_BYTES) if self._core else (0, None)
            batch = _compiled(portion, count, width, self._core, room) if self._core and portion else None
            if batch is None:
                rest = cast("BinaryIO", source) if portion is None else io.BytesIO(portion)
                payloads = list(_portion(enumerate(records(rest, where, number), number)))
                if not payloads:
                    return
                batch, count = _batch(payloads, Rows(width, mixed=False), where), len(payloads)
            number, width = number + count, batch.width
            yield batch
            # not kept alive while the next one is made
            del batch

    def decode(self, body: bytes, layout: Layout) -> Batch:
        """Return the rows of framed records, or of one bare record: batch transform may strip the frame."""
        where = "request body"
        if self._core is not None:
            count, end, _ = self._core.frames(body, len(body), len(body))
            batch = _compiled(body, count, layout.width, self._core) if count and end == len(body) else None
            if batch is not None:
                return batch
        payloads = list(records(io.BytesIO(body), where)) if body.startswith(MAGIC) else [body] if body else []
        if not payloads:
            raise DataError(f"{where}: at least one record is needed; got none")
        return _batch(list(enumerate(payloads, 1)), Rows(layout.width), where)

    def encode(self, predictions: Predictions) -> bytes:
        """Return one framed record per row, each column a Float32Tensor in its label map, keys sorted."""
        return b"".join(map(_answer, predictions.records()))


def write(batch: Batch) -> bytes:
    """Return rows as framed records of Float32Tensors: dense, or with keys and shape; labels where there are any."""
    if not len(batch):
        return b""
    if isinstance(batch.features, np.ndarray):
        return _write_dense(batch, batch.features)
    none = np.empty((len(batch), 0), dtype=np.float32)
    label = none if batch.labels is None else batch.labels.reshape(len(batch), -1)
    return write_sparse(batch.features, label, Record(label=_record(batch, 0).label).SerializeToString())


def _write_dense(batch: Batch, features: NDArray[np.float32]) -> bytes:
    """Return what `write` does: records of one width differ in their numbers alone."""
    first = _record(batch, 0)
    size = first.ByteSize()
    label = np.empty((len(batch), 0)) if batch.labels is None else batch.labels.reshape(len(batch), -1)
    # 8 bytes of frame; the label's field comes last, its numbers at its end
    end = 8 + size - Record(label=first.label).ByteSize()
    table = np.tile(np.frombuffer(frame(first.SerializeToString(deterministic=True)), np.uint8), (len(batch), 1))
    for stop, numbers in ((end, features), (8 + size, label)):
        numbers = np.ascontiguousarray(numbers, dtype="<f4")  # noqa: PLW2901
        table[:, stop - 4 * numbers.shape[1] : stop] = numbers.view(np.uint8)
    return table.tobytes()


def _compiled(portion: Buffer, count: int, width: int | None, core: Core, room: Room = fresh) -> Batch | None:
    """Return the rows of `count` whole records, or None where they need a closer look."""
    head = core.record(portion)
    if head is None:
        return None
    values, keyed, shape, n_labels = head
    # a number has a byte at least
    if count * max(values * (not keyed), n_labels) > len(portion):
        return None
    labels = np.empty((count, n_labels), np.float32)
    if not keyed and values:
        features = _dense(portion, labels, width or values, core, room)
    else:
        features = _sparse(portion, labels, width or shape or 0, core)
    if features is None or not np.isfinite(labels).all():
        return None
    return Batch(features, (labels[:, 0] if n_labels == 1 else labels) if n_labels else None)


def _dense(
    portion: Buffer, labels: NDArray[np.float32], width: int, core: Core, room: Room
) -> NDArray[np.float32] | None:
    if len(labels) * width > len(portion):
        return None
    features = room(len(labels), width)
    rows, _ = core.dense(portion, features, labels)
    return features if rows == len(labels) else None


def _sparse(portion: Buffer, labels: NDArray[np.float32], width: int, core: Core) -> csr_matrix | None:
    if not 0 < width <= MAX_WIDTH:
        return None
    # a float has four bytes and its key one at least; where that is too little room, the entries are counted
    found = _filled(portion, labels, width, len(portion) // 5, core)
    if found is None:
        rows, entries, _ = core.sparse_count(portion, width, labels.shape[1])
        found = _filled(portion, labels, width, entries, core) if rows == len(labels) else None
    return found


def _filled(portion: Buffer, labels: NDArray[np.float32], width: int, room: int, core: Core) -> csr_matrix | None:
    """Return the rows of a portion that has at most as many entries as there is room for, or None."""
    values, keys, ends = np.empty(room, np.float32), np.empty(room, np.int32), np.empty(len(labels) + 1, np.int64)
    rows, _, rising = core.sparse(portion, width, labels, (values, keys, ends))
    if rows != len(labels):
        return None
    for each in (values, keys):
        each.resize(ends[-1], refcheck=False)
    try:
        return as_csr(values, keys, ends, width, rising=rising)
    except ValueError:
        # a key occurs twice
        return None


def _portion(numbered: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    size = 0
    for number, payload in islice(numbered, BATCH_RECORDS):
        yield number, payload
        size += len(payload)
        if size >= BATCH_BYTES:
            return


def _batch(payloads: list[tuple[int, bytes]], rows: Rows, where: str) -> Batch:
    labels, places = [], []
    for number, payload in payloads:
        place = f"{where}, record {number}"
        record = _parse(payload, place)
        _add_features(_tensor(record.features, "features", place), rows, place)
        labels.append(_label(record, place))
        places.append(place)
    return Batch(rows.features(), join_labels(labels, places))


def _parse(payload: bytes, where: str) -> Record:
    try:
        record: Record = Record.FromString(payload)
    except DecodeError as error:
        raise DataError(f"{where}: a protobuf message aialgs.data.Record is needed; got other bytes") from error
    return record


def _tensor(values: Mapping[str, Value], field: str, where: str) -> Tensor:
    # reading an absent key of a protobuf map would create it
    if KEY not in values:
        # a key that is no UTF-8 comes as bytes
        keys = ", ".join(map(quote, sorted(map(str, values))[:5])) or "no key"
        raise DataError(f'{where}: {field} under the key "{KEY}" are needed; got {keys}')
    kind = values[KEY].WhichOneof("value")
    if kind not in {"float32_tensor", "float64_tensor", "int32_tensor"}:
        raise DataError(f"{where}: {field} as a tensor of numbers are needed; got {kind or 'nothing'}")
    tensor: Tensor = getattr(values[KEY], kind)
    return tensor


def _add_features(tensor: Tensor, rows: Rows, where: str) -> None:
    values, keys = np.array(tensor.values), list(tensor.keys)
    width = _product(tensor.shape) if tensor.shape else None
    if keys or (not len(values) and width is not None):
        if width is None:
            raise DataError(f"{where}: a shape beside the keys is needed; got none")
        rows.add_sparse(keys, values, width, where)
        return
    if width not in {None, len(values)}:
        raise DataError(f"{where}: {width} values as the shape says are needed; got {len(values)}")
    rows.add_dense(values, where)


def _product(shape: Iterable[int]) -> int:
    product = 1
    for size in shape:
        product *= size
        # a long shape would make a number of millions of digits
        if product > MAX_WIDTH:
            break
    return product


def _label(record: Record, where: str) -> NDArray[np.float32] | None:
    if not record.label:
        return None
    tensor = _tensor(record.label, "labels", where)
    if tensor.keys or not tensor.values:
        raise DataError(f"{where}: labels as a dense tensor of at least one number are needed; got another form")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(tensor.values).astype(np.float32)


def _answer(columns: Mapping[str, object]) -> bytes:
    # entries one by one: the order that protobuf gives a map's keys is not that of the alphabet
    return frame(b"".join(_entry(name, columns[name]) for name in sorted(columns)))


def _entry(name: str, value: object) -> bytes:
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(each, (int, float)) for each in numbers):
        raise NotAcceptable(f'answer: numbers are needed in recordIO-protobuf; got another value in "{name}"')
    record = Record()
    record.label[name].float32_tensor.values.extend(numbers)
    entry: bytes = record.SerializeToString()
    return entry


def _record(batch: Batch, row: int) -> Record:
    record = Record()
    tensor = record.features[KEY].float32_tensor
    if isinstance(batch.features, np.ndarray):
        tensor.values.extend(batch.features[row].tolist())
    else:
        start, end = batch.features.indptr[row : row + 2]
        tensor.values.extend(batch.features.data[start:end].tolist())
        tensor.keys.extend(batch.features.indices[start:end].tolist())
        tensor.shape.append(batch.width)
    if batch.labels is not None:
        record.label[KEY].float32_tensor.values.extend(np.atleast_1d(batch.labels[row]).tolist())
    return record
