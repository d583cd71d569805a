import io
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagecask.errors import DataError, UnsupportedMediaType
from sagecask.formats import Batch, Layout, concatenate, parquet
from sagecask.formats.parquet import ParquetCodec

WHERE = 'channel "train", part-1.parquet'
TRAINING = Layout(label_size=1)


def written(columns: dict[str, object], **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def read(data: bytes, layout: Layout = TRAINING) -> Batch:
    return concatenate(list(ParquetCodec().read(io.BytesIO(data), layout, WHERE)))


def fault(data: bytes, layout: Layout = TRAINING) -> str:
    with pytest.raises(DataError) as caught:
        read(data, layout)
    return str(caught.value)


def test_first_column_is_the_label_and_nulls_are_missing():
    batch = read(written({"y": [1, 0], "a": [1.5, None], "b": [3, 4]}))
    assert batch.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(batch.features, np.array([[1.5, 3], [np.nan, 4]], dtype=np.float32))
    assert (batch.features.dtype, batch.labels.dtype, batch.weights) == (np.float32, np.float32, None)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_usual_compressions_are_read(compression: str):
    assert read(written({"y": [1], "a": [2]}, compression=compression)).features.tolist() == [[2]]


def test_every_kind_of_number_is_read():
    columns = {
        "y": pa.array([1], pa.int64()),
        "u8": pa.array([2], pa.uint8()),
        "f16": pa.array(np.array([3], dtype=np.float16)),
        "f32": pa.array([4], pa.float32()),
        "flag": pa.array([True]),
        "money": pa.array([Decimal("5.25")]),
        "none": pa.array([None], pa.null()),
        "code": pa.array([6]).dictionary_encode(),
    }
    np.testing.assert_array_equal(read(written(columns)).features, [[2, 3, 4, 1, 5.25, np.nan, 6]])


def test_row_numbers_of_a_data_frame_are_no_feature():
    assert read(written({"y": [1], "a": [2], "__index_level_0__": [77]})).features.tolist() == [[2]]


def test_column_that_is_not_numeric_is_named():
    message = fault(written({"y": [1], "sex": ["M"]}))
    assert message == f'{WHERE}, column "sex": numbers are needed; got string'
    assert fault(written({"y": [1], "sex": [{"a\nb": 1}]})) == (
        f'{WHERE}, column "sex": numbers are needed; got struct<a\\nb: int64>'
    )


def test_missing_label_is_refused():
    message = fault(written({"y": [1, None], "a": [1, 2]}))
    assert message == f"{WHERE}, row 2: a finite number as label is needed; got null or nan"


def test_wrong_width_is_refused():
    assert fault(written({"y": [1]})) == f"{WHERE}: at least 2 columns are needed; got 1"
    assert fault(written({"y": [1], "a": [1]}), Layout(label_size=1, width=2)) == f"{WHERE}: 1 features, expected 2"


def test_file_that_is_no_parquet_is_refused():
    assert fault(b"label,a\n1,2\n").startswith(f"{WHERE}: a Parquet file is needed; got ")


def test_damaged_file_is_refused_in_one_line():
    data = written({"y": [1], "a": [2]})
    message = fault(data[:-40] + bytes([255]) * 32 + data[-8:])
    assert message.startswith(f"{WHERE}: a Parquet file is needed; got ")
    assert message.isprintable()


def test_table_without_rows_yields_nothing():
    data = written({"y": pa.array([], pa.int64()), "a": pa.array([], pa.int64())})
    assert list(ParquetCodec().read(io.BytesIO(data), TRAINING, WHERE)) == []


def test_files_stream_in_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "BATCH_CELLS", 30)
    data = written({"y": range(100), "a": range(100), "b": range(100)}, row_group_size=25)
    batches = list(ParquetCodec().read(io.BytesIO(data), TRAINING, WHERE))
    assert max(map(len, batches)) == 10
    assert concatenate(batches).labels.tolist() == list(range(100))


def test_requests_are_refused():
    with pytest.raises(UnsupportedMediaType) as caught:
        ParquetCodec().decode(written({"a": [1]}), Layout())
    assert str(caught.value) == "request body: a format for requests is needed; got Parquet"


@given(st.lists(st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3), min_size=1))
def test_what_is_written_is_read(rows: list[tuple[float, ...]]):
    table = np.array(rows, dtype=np.float32)
    batch = read(written({"y": table[:, 0], "a": table[:, 1], "b": table[:, 2]}))
    np.testing.assert_array_equal(np.column_stack([batch.labels, batch.features]), table)


@given(st.binary() | st.binary().map(lambda body: b"PAR1" + body + b"PAR1"))
def test_arbitrary_bytes_are_refused(body: bytes):
    assert fault(body).startswith(WHERE)
