import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import Batch, MediaType, csv, jsonlines, libsvm, recordio
from sagecask.formats.decimals import cells
from sagecask.formats.framing import frame
from sagecask.formats.rows import to_csr
from sagecask.formats.writer import FORMS, form_for

NAN, INF = float("nan"), float("inf")
ROWS = np.array([[2, NAN, 0.1], [1e-30, -0.5, 1234567]], dtype=np.float32)
LABELS = np.array([1, 0.5], dtype=np.float32)
SPARSE = csr_matrix(np.array([[0, 2.5, 0], [0, 0, 0], [7, 0, 300]], dtype=np.float32))


def f32(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@given(arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32)))
def test_decimals_read_back_as_the_same_float32(numbers):
    read = np.array([float(cell) for cell in cells(numbers)], dtype=np.float32)
    np.testing.assert_array_equal(read, numbers)


def test_csv_has_labels_weights_and_features_and_no_decimals_without_need():
    assert csv.write(Batch(ROWS, LABELS)) == b"1,2,,0.1\n0.5,1e-30,-0.5,1234567\n"
    assert csv.write(Batch(ROWS, LABELS, f32(3, 0.25))) == b"1,3,2,,0.1\n0.5,0.25,1e-30,-0.5,1234567\n"
    assert csv.write(Batch(ROWS[:1], f32(1, 2).reshape(1, 2))) == b"1,2,2,,0.1\n"


def test_csv_of_one_column_names_what_is_missing_as_a_blank_line_is_no_row():
    assert csv.write(Batch(f32(1, NAN).reshape(2, 1))) == b"1\nnan\n"


def test_libsvm_has_a_line_a_row_even_where_nothing_is_given():
    assert libsvm.write(Batch(SPARSE, f32(1, 0, -1))) == b"1 1:2.5\n0\n-1 0:7 2:300\n"
    assert libsvm.write(Batch(SPARSE, f32(1, 0, 1), f32(1, 0.5, 2))) == b"1:1 1:2.5\n0:0.5\n1:2 0:7 2:300\n"


@pytest.mark.parametrize(("labels", "got"), [(None, 0), (np.zeros((3, 2), dtype=np.float32), 2)])
def test_libsvm_needs_one_label_a_row(labels, got):
    with pytest.raises(DataError) as caught:
        libsvm.write(Batch(SPARSE, labels))
    assert str(caught.value) == f"libsvm: exactly one label a row is needed; got {got}"


def test_jsonlines_are_dense_or_sparse_and_strict_json():
    assert jsonlines.write(Batch(ROWS[:1], LABELS[:1])) == b'{"features":[2,null,0.1],"label":1}\n'
    assert jsonlines.write(Batch(f32(INF, -INF).reshape(1, 2))) == b'{"features":[1e999,-1e999]}\n'
    assert jsonlines.write(Batch(SPARSE[2:], f32(1, 2).reshape(1, 2))) == (
        b'{"data":{"features":{"keys":[0,2],"shape":[3],"values":[7,300]}},"label":[1,2]}\n'
    )


@given(
    features=arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 70)), elements=st.floats(width=32)),
    label_size=st.integers(0, 3),
)
def test_dense_records_are_the_bytes_that_protobuf_makes_one_by_one(features, label_size):
    labels = np.arange(len(features) * label_size, dtype=np.float32).reshape(len(features), label_size)
    batch = Batch(features, labels if label_size else None)
    one_by_one = (recordio._record(batch, row).SerializeToString(deterministic=True) for row in range(len(batch)))
    assert recordio.write(batch) == b"".join(map(frame, one_by_one))


@given(
    rows=st.lists(
        st.dictionaries(st.one_of(st.integers(0, 300), st.integers(0, 2**31 - 2)), st.floats(width=32), max_size=40),
        max_size=6,
    ),
    wide=st.booleans(),
    label_size=st.integers(0, 3),
)
def test_sparse_records_are_the_bytes_that_protobuf_makes_one_by_one(rows, wide, label_size):
    highest = max((key for row in rows for key in row), default=0)
    keys = np.array([key for row in rows for key in row], dtype=np.int64)
    values = np.array([value for row in rows for value in row.values()], dtype=np.float32)
    features = to_csr(values, keys, [len(row) for row in rows], 2**31 - 1 if wide else highest + 1)
    labels = np.arange(len(rows) * label_size, dtype=np.float32).reshape(len(rows), label_size)
    batch = Batch(features, labels if label_size else None)
    one_by_one = (recordio._record(batch, row).SerializeToString(deterministic=True) for row in range(len(batch)))
    assert recordio.write(batch) == b"".join(map(frame, one_by_one))


def test_every_form_writes_and_states_what_it_holds():
    for essence, form in FORMS.items():
        features = ROWS if form.dense else csr_matrix(ROWS)
        stream = io.BytesIO()
        writer = form_for(MediaType(essence)).open(stream, ["label", "a", "b", "c"])
        writer.write(Batch(features, LABELS))
        writer.close()
        assert stream.tell() > 0


def test_type_that_nothing_writes_is_refused():
    with pytest.raises(UnsupportedMediaType) as caught:
        form_for(MediaType.parse("application/json"))
    assert str(caught.value) == f'content type: one of {", ".join(FORMS)}; got "application/json"'
