"""Codecs with the compiled core and without it give the same rows and the same errors."""

import io
import random
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from sagecask import native
from sagecask.errors import DataError
from sagecask.formats import Batch, Codec, Joined, Layout, recordio
from sagecask.formats import lines as text_lines
from sagecask.formats.csv import CsvCodec
from sagecask.formats.framing import MAGIC, frame
from sagecask.formats.libsvm import LibsvmCodec
from sagecask.formats.order import in_order
from sagecask.formats.record_pb2 import Record
from sagecask.formats.recordio import RecordioProtobufCodec, write

pytestmark = pytest.mark.skipif(native.core is None, reason="the compiled core was not built")

LAYOUTS = st.builds(
    Layout,
    label_size=st.integers(0, 2),
    weighted=st.booleans(),
    delimiter=st.sampled_from([",", ",", None, ";", "\t", " ", "x"]),
    width=st.sampled_from([None, None, 1, 2, 3]),
)
CELLS = st.one_of(
    st.integers(0, 9).map(str),
    st.floats(width=32).map(str),
    st.sampled_from(
        ["", " ", "16777217", "1.00000017881393432617187499", "1e40", "1_0", "x", "nan", '"1"', "0x1", "\uff11"]
    ),
)


def outcome(work: Callable[[], Batch]) -> object:
    """Return what can be compared: the rows bit by bit, or the message."""
    try:
        batch = work()
    except DataError as error:
        return str(error)
    features = batch.features
    sparse = isinstance(features, csr_matrix)
    parts = [features.data, features.indices, features.indptr] if sparse else [features]
    parts += [each for each in (batch.labels, batch.weights) if each is not None]
    return features.shape, [(each.dtype, each.shape, np.nan_to_num(each, nan=12345.5).tobytes()) for each in parts]


def all_rows(codec: Codec, data: bytes, layout: Layout) -> Batch:
    joined = Joined()
    for batch in codec.read_into(joined.room, io.BytesIO(data), layout, "file"):
        joined.add(batch)
    return joined.batch() if joined else Batch(np.empty((0, 0), np.float32))


def same(codec: type[CsvCodec | LibsvmCodec | RecordioProtobufCodec], data: bytes, layout: Layout) -> object:
    """Return what both give for training data, after a look that requests agree too."""
    made: list[Codec] = [codec(), codec(core=None)]
    requests = [outcome(lambda each=each: each.decode(data, layout)) for each in made]
    assert requests[0] == requests[1]
    read = [outcome(lambda each=each: all_rows(each, data, layout)) for each in made]
    assert read[0] == read[1]
    return read[0]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=4)
    | st.lists(st.tuples(CELLS, CELLS), min_size=1),
    LAYOUTS,
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_csv_is_the_same(rows, layout: Layout, newline: str):
    text = newline.join((layout.delimiter or ",").join(row) for row in rows)
    if text.strip():
        same(CsvCodec, text.encode(), layout)


@settings(max_examples=300, deadline=None)
@given(st.text('01.,;:eE+-# \t\r\nnaif"', min_size=1, max_size=40).filter(str.strip), LAYOUTS)
def test_any_text_is_the_same(text: str, layout: Layout):
    same(CsvCodec, text.encode(), layout)
    same(LibsvmCodec, text.encode(), layout)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["0", "1", "1:2", "nan", ""]),
            st.lists(
                st.tuples(st.integers(0, 5).map(str) | st.sampled_from(["2147483646", "1.0", "-1"]), CELLS), max_size=4
            ),
            st.sampled_from(["", "", "# note", " # 1:2", "7"]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([None, 2, 9]),
)
def test_libsvm_is_the_same(rows, width: int | None):
    lines = [" ".join([label, *map(":".join, pairs)]) + end for label, pairs, end in rows]
    if "".join(lines).strip():
        same(LibsvmCodec, "\n".join(lines).encode(), Layout(width=width))


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Return a framed record, mostly a sound one."""
    made = Record()
    kind = draw(st.sampled_from(["float32_tensor", "float64_tensor", "int32_tensor"]))
    numbers = st.integers(-9, 300) if kind == "int32_tensor" else st.floats(width=32)
    tensor = getattr(made.features[draw(st.sampled_from(["values"] * 9 + ["other"]))], kind)
    tensor.values.extend(draw(st.lists(numbers, min_size=2, max_size=2) | st.lists(numbers, max_size=3)))
    if draw(st.booleans()):
        tensor.keys.extend(draw(st.lists(st.integers(0, 6), min_size=len(tensor.values), max_size=len(tensor.values))))
        tensor.shape.extend(draw(st.sampled_from([[7], [7], [], [1, 7], [2]])))
    if draw(st.booleans()):
        label = getattr(made.label["values"], draw(st.sampled_from(["float32_tensor", "int32_tensor"])))
        label.values.extend(draw(st.sampled_from([[1], [0], [1, 2], []])))
    made.uid = draw(st.sampled_from(["", "", "17"]))
    return frame(made.SerializeToString())


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.lists(records(), min_size=1, max_size=5), records().map(lambda record: [record] * 3)),
    st.sampled_from([None, None, 2, 7]),
    st.integers(0, 3),
    st.binary(max_size=3),
)
def test_records_are_the_same(parts: list[bytes], width: int | None, cut: int, rest: bytes):
    data = b"".join(parts)
    same(RecordioProtobufCodec, data[: len(data) - cut] + rest, Layout(width=width))


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.integers(0, 2))
def test_any_payload_is_the_same(payload: bytes, times: int):
    good = write(Batch(np.ones((1, 2), np.float32), np.ones(1, np.float32)))
    same(RecordioProtobufCodec, good * times + frame(payload) + good, Layout())


@st.composite
def sparse_rows(draw: st.DrawFn) -> tuple[csr_matrix, int]:
    """Return rows whose keys take one to four bytes in any order of lengths, and their number of labels."""
    width = draw(st.sampled_from([100, 20_000, 2_000_000, 2**31 - 1]))
    key = st.integers(0, width - 1) | st.integers(0, min(width, 300) - 1)
    keys = draw(st.lists(st.lists(key, max_size=25, unique=True), min_size=1, max_size=5))
    keys = [sorted(each) if draw(st.booleans()) else each for each in keys]
    ends = np.cumsum([0, *map(len, keys)])
    values = np.arange(ends[-1], dtype=np.float32) - 3
    return csr_matrix((values, np.concatenate(keys).astype(np.int32), ends), shape=(len(keys), width)), draw(
        st.integers(0, 2)
    )


@settings(max_examples=300, deadline=None)
@given(sparse_rows(), st.integers(0), st.integers(0, 255), st.booleans())
def test_sparse_records_are_the_same_with_a_byte_changed(made, place: int, byte: int, sound: bool):
    rows, n_labels = made
    labels = np.arange(rows.shape[0] * n_labels, dtype=np.float32).reshape(rows.shape[0], n_labels)
    data = bytearray(write(Batch(rows, labels if n_labels else None)))
    if not sound:
        data[place % len(data)] = byte
    found = same(RecordioProtobufCodec, bytes(data), Layout())
    if sound:
        assert found[0] == rows.shape


def in_parts() -> bytes:
    """Return a record of 40 values whose payload has the magic at an aligned offset, split there as writers do."""
    made = Record()
    made.features["values"].float32_tensor.values.extend([0.0] * 40)
    made.label["values"].float32_tensor.values.append(1)
    payload = bytearray(made.SerializeToString())
    at = payload.index(bytes(12)) + 3 & ~3
    payload[at : at + 4] = MAGIC
    parts = payload[:at], payload[at + 4 :]
    words = (len(part) | flag << 29 for part, flag in zip(parts, (1, 3), strict=True))
    padded = (bytes(part) + bytes(-len(part) % 4) for part in parts)
    return b"".join(MAGIC + struct.pack("<I", word) + part for word, part in zip(words, padded, strict=True))


@pytest.mark.parametrize("middle", [b"", in_parts(), in_parts() * 40, in_parts()[:-4], MAGIC * 2, b"\0" * 8])
def test_long_record_files_are_the_same_batch_by_batch(middle: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recordio, "BATCH_BYTES", 5000)
    monkeypatch.setattr(recordio, "BATCH_RECORDS", 30)
    source = np.random.default_rng(7)
    whole = write(Batch(source.normal(size=(100, 40)).astype(np.float32), np.arange(100, dtype=np.float32)))
    results = []
    for codec in (RecordioProtobufCodec(), RecordioProtobufCodec(core=None)):
        batches = codec.read(io.BytesIO(whole + middle + whole), Layout(), "file")
        found: list[object] = []
        while not found or isinstance(found[-1], tuple):
            found.append(outcome(lambda batches=batches: next(batches, None) or Batch(np.empty((0, 0), np.float32))))
            if found[-1] == ((0, 0), [(np.float32, (0, 0), b"")]):
                break
        results.append(found)
    assert results[0] == results[1]
    assert len(results[0]) > 4


def test_long_texts_are_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 300)
    chance = random.Random(7)
    rows = [",".join(f"{chance.gauss(0, 1):.5f}" for _ in range(5)) for _ in range(400)]
    assert same(CsvCodec, "\n".join(rows).encode(), Layout(label_size=1))[0] == (400, 4)
    rows[300] = "1,2,3,4,x"
    rows[350] = "1,2"
    message = 'file, line 301, column 5: a number is needed; got "x"'
    assert same(CsvCodec, "\n".join(rows).encode(), Layout(label_size=1)) == message
    pairs = [f"{number % 2} {number % 7}:{chance.random():.6f} {number % 7 + 9}:1" for number in range(400)]
    assert same(LibsvmCodec, "\n".join(pairs).encode(), Layout())[0] == (400, 16)
    pairs[200] = "1:2 3:4"
    assert str(same(LibsvmCodec, "\n".join(pairs).encode(), Layout())).startswith("file, line ")


def test_work_is_handed_out_in_order_and_faults_wait_for_their_turn():
    def items():
        yield from range(20)
        raise DataError("file, line 21: a shorter line is needed; got a long one")

    results = in_order(lambda number: number * number, items())
    assert [next(results) for _ in range(20)] == [number * number for number in range(20)]
    with pytest.raises(DataError, match="line 21"):
        next(results)
