import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from sagecask.errors import DataError, NotAcceptable
from sagecask.formats import Batch, Layout, Predictions, concatenate, recordio
from sagecask.formats.framing import frame
from sagecask.formats.record_pb2 import Record
from sagecask.formats.recordio import RecordioProtobufCodec, write

WHERE = 'channel "train", part-1.pbr'
DENSE = bytes.fromhex(
    "0a 23 d7 ce 2c 00 00 00 0a 16 0a 06 76 61 6c 75 65 73 12 0c 12 0a 0a 08 00 00 c0 3f 00 00 80 41"
    "12 12 0a 06 76 61 6c 75 65 73 12 08 12 06 0a 04 00 00 80 3f"
)
SPARSE = bytes.fromhex(
    "0a 1f 0a 06 76 61 6c 75 65 73 12 15 12 13 0a 08 00 00 80 3f 00 00 80 40 12 03 03 ac 02 1a 02 d0 0f"
)
ANSWER = bytes.fromhex(
    "12 1b 0a 0f 70 72 65 64 69 63 74 65 64 5f 6c 61 62 65 6c 12 08 12 06 0a 04 00 00 80 3f"
    "12 11 0a 05 73 63 6f 72 65 12 08 12 06 0a 04 00 00 00 3f"
)


def decode(body: bytes) -> Batch:
    return RecordioProtobufCodec().decode(body, Layout())


def read(data: bytes, layout: Layout | None = None) -> Batch:
    return concatenate(list(RecordioProtobufCodec().read(io.BytesIO(data), layout or Layout(), WHERE)))


def framed(*records: Record) -> bytes:
    return b"".join(frame(record.SerializeToString()) for record in records)


def record(values: list[float], keys: list[int] | None = None, shape: list[int] | None = None) -> Record:
    made = Record()
    tensor = made.features["values"].float32_tensor
    tensor.values.extend(values)
    tensor.keys.extend(keys or [])
    tensor.shape.extend(shape or [])
    return made


def fault(*records: Record) -> str:
    with pytest.raises(DataError) as caught:
        read(framed(*records))
    return str(caught.value)


def test_dense_vector_of_the_guide_is_read_and_written():
    batch = read(DENSE)
    assert (batch.features.tolist(), batch.labels.tolist(), batch.weights) == ([[1.5, 16]], [1], None)
    assert write(batch) == DENSE


def test_sparse_vector_of_the_guide_is_read_and_written():
    batch = read(frame(SPARSE))
    assert batch.features.shape == (1, 2000)
    assert (batch.features.indices.tolist(), batch.features.data.tolist()) == ([3, 300], [1, 4])
    assert batch.labels is None
    assert write(batch) == frame(SPARSE)
    assert write(batch)[-3:] == bytes(3)


def test_answer_of_the_guide_is_written():
    predictions = Predictions({"score": np.array([0.5], dtype=np.float32), "predicted_label": np.array([1])})
    assert RecordioProtobufCodec().encode(predictions) == frame(ANSWER)


def test_answer_has_one_record_per_row_and_lists_in_one_tensor():
    answer = RecordioProtobufCodec().encode(Predictions({"p": np.array([[0.25, 0.75], [0.5, 0.5]])}))
    first, second = (Record.FromString(payload) for payload in recordio.records(io.BytesIO(answer), ""))
    assert list(first.label["p"].float32_tensor.values) == [0.25, 0.75]
    assert list(second.label["p"].float32_tensor.values) == [0.5, 0.5]
    assert not first.features


def test_map_entry_with_an_unknown_field_is_none_with_the_compiled_core_and_without():
    # field 13 behind key and value
    entry = b"\x0a\x06values\x12\x08\x12\x06\x0a\x04\x00\x00\x80\x3f\x68\x01"
    data = frame(b"\x0a" + bytes([len(entry)]) + entry)
    for codec in (RecordioProtobufCodec(), RecordioProtobufCodec(core=None)):
        with pytest.raises(DataError) as caught:
            codec.decode(data, Layout())
        assert str(caught.value) == ('request body, record 1: features under the key "values" are needed; got no key')


@pytest.mark.parametrize("sparse", [False, True])
def test_signalling_nan_is_missing_with_the_compiled_core_and_without(sparse: bool):
    record = Record()
    record.features["values"].float64_tensor.values.extend([1.0, 2.0])
    if sparse:
        record.features["values"].float64_tensor.keys.extend([0, 1])
        record.features["values"].float64_tensor.shape.append(2)
    signal = (0x7FF4 << 48).to_bytes(8, "little")
    data = frame(record.SerializeToString().replace(np.float64(2).tobytes(), signal))
    for codec in (RecordioProtobufCodec(), RecordioProtobufCodec(core=None)):
        features = codec.decode(data, Layout()).features
        np.testing.assert_array_equal(features.toarray() if sparse else features, [[1, np.nan]])


def test_keys_of_an_answer_are_sorted_also_where_one_begins_another():
    answer = RecordioProtobufCodec().encode(Predictions({"raw_scores": [[1.0]], "score": [2.0], "raw_score": [3.0]}))
    entries = [Record(), Record(), Record()]
    for entry, (key, number) in zip(entries, [("raw_score", 3), ("raw_scores", 1), ("score", 2)], strict=True):
        entry.label[key].float32_tensor.values.append(number)
    assert answer == frame(b"".join(entry.SerializeToString() for entry in entries))


def test_text_in_an_answer_is_refused():
    with pytest.raises(NotAcceptable) as caught:
        RecordioProtobufCodec().encode(Predictions({"name": ["a"]}))
    assert str(caught.value) == 'answer: numbers are needed in recordIO-protobuf; got another value in "name"'


def test_request_may_be_one_bare_record():
    assert decode(SPARSE).features.shape == (1, 2000)
    assert decode(DENSE[8:]).features.tolist() == [[1.5, 16]]


def test_request_may_hold_many_records():
    assert decode(DENSE * 3).features.tolist() == [[1.5, 16]] * 3


def test_every_tensor_type_is_read_for_features_and_label():
    records = []
    for kind in ("float32_tensor", "float64_tensor", "int32_tensor"):
        made = Record()
        getattr(made.features["values"], kind).values.extend([1, 2])
        getattr(made.label["values"], kind).values.append(3)
        records.append(made)
    batch = read(framed(*records))
    assert (batch.features.tolist(), batch.labels.tolist()) == ([[1, 2]] * 3, [3] * 3)
    assert (batch.features.dtype, batch.labels.dtype) == (np.float32, np.float32)


def test_unpacked_values_are_read():
    tensor = bytes.fromhex("0d 00 00 c0 3f 0d 00 00 80 41")
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    assert decode(b"\x0a" + bytes([len(entry)]) + entry).features.tolist() == [[1.5, 16]]


def test_all_zero_sparse_vector_has_a_width():
    features = read(framed(record([], [], [5]), record([2], [4], [5]))).features
    assert features.toarray().tolist() == [[0] * 5, [0, 0, 0, 0, 2]]


def test_matrix_is_read_row_by_row():
    features = read(framed(record([7], [23], [10, 20]))).features
    assert (features.shape, features.indices.tolist()) == ((1, 200), [23])
    assert read(framed(record([1, 2, 3, 4], shape=[2, 2]))).features.tolist() == [[1, 2, 3, 4]]


def test_dense_and_sparse_records_may_mix_in_a_request_alone():
    dense, sparse = record([0, 1, 2]), record([7], [2], [3])
    assert fault(dense, sparse) == f"{WHERE}, record 2: dense features as before are needed; got sparse ones"
    assert fault(sparse, dense) == f"{WHERE}, record 2: sparse features as before are needed; got dense ones"
    features = decode(framed(dense, sparse)).features
    assert features.toarray().tolist() == [[0, 1, 2], [0, 0, 7]]
    assert features.nnz == 4


def test_other_keys_are_not_read():
    made = record([1, 2])
    made.features["source"].int32_tensor.values.extend([1, 2, 3])
    made.uid, made.metadata, made.configuration = "a", "b", "{}"
    assert read(framed(made)).features.tolist() == [[1, 2]]


def test_several_labels_make_a_matrix():
    made = record([1])
    made.label["values"].float32_tensor.values.extend([1, 2])
    assert read(framed(made, made)).labels.tolist() == [[1, 2], [1, 2]]


def labelled(kind: str, values: list[float]) -> Record:
    made = record([1])
    made.label[kind].float32_tensor.values.extend(values)
    return made


def raw() -> Record:
    made = Record()
    made.features["values"].bytes.value.append(b"image")
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Record(), 'features under the key "values" are needed; got no key'),
        (raw(), "features as a tensor of numbers are needed; got bytes"),
        (
            Record.FromString(SPARSE.replace(b"values", b"val\x80es")),
            'features under the key "values" are needed; got "b\'val\\x80es\'"',
        ),
        (record([]), "between 1 and 2147483647 features are needed; got 0"),
        (record([1], [0]), "a shape beside the keys is needed; got none"),
        (record([1, 2], [0], [5]), "as many keys as values are needed; got 1 and 2"),
        (record([1], [5], [5]), "keys in [0, 5) are needed; got 5"),
        (record([1, 2], [3, 3], [5]), "each key at most once is needed; got one twice"),
        (record([1, 2], shape=[3]), "3 values as the shape says are needed; got 2"),
        (record([1], [0], [2**31]), "between 1 and 2147483647 features are needed; got 2147483648"),
        (labelled("y", [1]), 'labels under the key "values" are needed; got "y"'),
        (labelled("values", []), "labels as a dense tensor of at least one number are needed; got another form"),
        (labelled("values", [float("nan")]), "a finite number as label is needed; got nan"),
        (labelled("values", [1, float("-inf")]), "a finite number as label is needed; got -inf"),
    ],
)
def test_fault_names_the_record(made: Record, message: str):
    assert fault(made) == f"{WHERE}, record 1: {message}"


def test_records_of_different_widths_are_refused():
    assert fault(record([1, 2]), record([1])) == f"{WHERE}, record 2: 1 features, expected 2"


def test_label_on_some_records_only_is_refused():
    expected = f"{WHERE}, record 2: 1 label as in other rows needed; got 0"
    assert fault(labelled("values", [1]), record([1])) == expected


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(DataError) as caught:
        decode(b"\xff\xff\xff")
    expected = "request body, record 1: a protobuf message aialgs.data.Record is needed; got other bytes"
    assert str(caught.value) == expected
    with pytest.raises(DataError) as caught:
        decode(b"")
    assert str(caught.value) == "request body: at least one record is needed; got none"


def test_long_shape_does_not_hang():
    message = fault(record([1], [0], [2**60] * 300_000))
    assert message.startswith(f"{WHERE}, record 1: between 1 and 2147483647 features are needed; got ")


def test_files_stream_in_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recordio, "BATCH_RECORDS", 10)
    table = np.arange(200, dtype=np.float32).reshape(100, 2)
    data = write(Batch(table, np.arange(100, dtype=np.float32)))
    batches = list(RecordioProtobufCodec().read(io.BytesIO(data), Layout(), WHERE))
    assert [len(batch) for batch in batches] == [10] * 10
    np.testing.assert_array_equal(concatenate(batches).features, table)
    with pytest.raises(DataError) as caught:
        read(data + framed(record([1])))
    assert str(caught.value) == f"{WHERE}, record 101: 1 features, expected 2"


cells = st.floats(width=32)


@given(st.integers(1, 6).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1)))
def test_what_is_written_is_read(table: list[list[float]]):
    features = np.array(table, dtype=np.float32)
    labels = np.arange(len(table), dtype=np.float32)
    dense = read(write(Batch(features, labels)))
    np.testing.assert_array_equal(dense.features, features)
    np.testing.assert_array_equal(dense.labels, labels)
    np.testing.assert_array_equal(read(write(Batch(csr_matrix(features)))).features.toarray(), features)


@given(st.binary() | st.binary().map(frame) | st.binary(max_size=20).map(lambda tail: SPARSE + tail))
def test_arbitrary_bytes_are_read_or_refused(body: bytes):
    try:
        batch = decode(body)
    except DataError:
        return
    assert len(batch) > 0


@given(st.integers(0, len(DENSE) - 1), st.integers(0, 255))
def test_damaged_record_is_read_or_refused(position: int, byte: int):
    body = bytearray(DENSE)
    body[position] = byte
    try:
        batch = decode(bytes(body))
    except DataError:
        return
    assert len(batch) == 1
