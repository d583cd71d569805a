import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sagecask.errors import DataError
from sagecask.formats import Batch, Layout, concatenate, npy, npz
from sagecask.formats.npy import NpyCodec
from sagecask.formats.npz import NpzCodec

WHERE = "rows.npy"


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz_bytes(save=np.savez, **named: np.ndarray) -> bytes:
    stream = io.BytesIO()
    save(stream, **named)
    return stream.getvalue()


def read(data: bytes, layout: Layout | None = None, codec: NpyCodec | NpzCodec | None = None) -> Batch:
    batches = (codec or NpyCodec()).read(io.BytesIO(data), layout or Layout(), WHERE)
    return concatenate(list(batches))


def fault(data: bytes, layout: Layout | None = None, codec: NpyCodec | NpzCodec | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read(data, layout, codec)
    return str(caught.value)


@given(
    table=arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_, ">f4"]),
        st.tuples(st.integers(1, 9), st.integers(1, 4)),
        elements=st.integers(0, 1),
    ),
    order=st.sampled_from("CF"),
    cells=st.integers(1, 20),
)
def test_array_of_any_numbers_and_order_is_read_some_rows_at_a_time(table, order, cells):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npy, "BATCH_CELLS", cells)
        arranged = np.asarray(table, order=order)
        np.testing.assert_array_equal(read(npy_bytes(arranged)).features, table.astype(np.float32))
        for save in (np.savez, np.savez_compressed):
            batch = read(npz_bytes(save, features=arranged, labels=table[:, 0]), codec=NpzCodec())
            np.testing.assert_array_equal(batch.features, table.astype(np.float32))
            np.testing.assert_array_equal(batch.labels, table[:, 0].astype(np.float32))


def test_first_columns_are_labels_and_weight():
    batch = read(npy_bytes(np.array([[1, 0.5, 7, 8]])), Layout(label_size=1, weighted=True))
    assert (batch.labels.tolist(), batch.weights.tolist(), batch.features.tolist()) == ([1], [0.5], [[7, 8]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text", "rows.npy: a NumPy array is needed; got EOF: reading magic string, expected 8 bytes got 4"),
        (
            npy_bytes(np.array([["a"]])),
            "rows.npy: an array of numbers with 1 or 2 dimensions is needed; got <U1 with 2 dimensions",
        ),
        (
            npy_bytes(np.array([[{}]], dtype=object)),
            "rows.npy: an array of numbers with 1 or 2 dimensions is needed; got object with 2 dimensions",
        ),
        (
            npy_bytes(np.zeros((2, 2, 2))),
            "rows.npy: an array of numbers with 1 or 2 dimensions is needed; got float64 with 3 dimensions",
        ),
        (npy_bytes(np.zeros((3, 2)))[:-1], "rows.npy: 3 rows as the header says are needed; got fewer"),
        (npy_bytes(np.zeros(3)), "rows.npy: at least 2 columns are needed; got 1"),
        (
            npy_bytes(np.array([[0, 1], [np.nan, 1]])),
            "rows.npy, row 2: a finite number as label is needed; got nan",
        ),
    ],
)
def test_bad_array_is_refused(data, message):
    assert fault(data, Layout(label_size=1)) == message


def header(text: str) -> bytes:
    return npy.MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("text", ["{'descr': '|b1', 's", "(" * 300, "{" * 9000, "{'descr': {}}", "\x00"])
def test_header_that_is_no_python_is_refused(text):
    assert fault(header(text)).startswith("rows.npy: a NumPy array is needed; got ")


def test_refused_header_is_shown_in_what_can_be_printed():
    assert fault(header("{'descr': '\x1b,8', 'fortran_order': False, 'shape': (1,)}")) == (
        'rows.npy: a NumPy array is needed; got format number 1 of "\\x1b,8" is not recognized'
    )


def test_signalling_nan_is_missing():
    data = npy_bytes(np.array([1.0, np.nan])).replace(b"\xf8\x7f", b"\xf4\x7f")
    assert np.isnan(read(data).features).tolist() == [[False], [True]]


@pytest.mark.parametrize(
    ("shape", "order"),
    [((-1, 2), False), ((2, -2), False), ((10**18, 0), False), ((10**30, 2), True), ((2**62, 2), False)],
)
def test_shape_that_no_file_has_is_refused(shape, order):
    data = header(f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}}}")
    assert fault(data) == (f"rows.npy: an array of at least one column that a file can hold is needed; got {shape}")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("order", [False, True])
def test_shape_that_the_file_does_not_have_takes_no_memory_or_time(order):
    wide, none = (
        f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}}}" for shape in ((1, 10**15), (0, 10**15))
    )
    assert fault(header(wide) + bytes(8)) == "rows.npy: 1 rows as the header says are needed; got fewer"
    assert list(NpyCodec().read(io.BytesIO(header(none)), Layout(), WHERE)) == []


def test_fortran_order_is_refused_where_the_stream_cannot_seek():
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = npy_bytes(np.asfortranarray(np.zeros((2, 2))))
    with pytest.raises(DataError) as caught:
        list(NpyCodec().read(Pipe(data), Layout(), WHERE))
    assert str(caught.value) == (
        "rows.npy: rows one after another are needed in a pipe or gzip file; got Fortran order"
    )


def test_array_of_another_width_is_refused():
    assert fault(npy_bytes(np.zeros((1, 3))), Layout(width=2)) == "rows.npy: 3 features, expected 2"


def test_archive_needs_features_and_arrays_of_one_length():
    odd = npz_bytes(**{"x": np.zeros(1), "\n": np.zeros(1)})
    assert fault(odd, codec=NpzCodec()) == 'rows.npy: an array "features" is needed; got "\\n", "x"'
    data = npz_bytes(features=np.zeros((3, 2)), labels=np.zeros(2))
    assert fault(data, codec=NpzCodec()) == "rows.npy: as many labels as rows of features (3) are needed; got 2"


def test_damaged_archive_is_refused():
    data = bytearray(npz_bytes(np.savez_compressed, features=np.random.default_rng(1).random((50, 50))))
    assert fault(bytes(data[:-30]), codec=NpzCodec()) == (
        "rows.npy: a sound NumPy archive is needed; got File is not a zip file"
    )
    data[3000] ^= 255
    assert fault(bytes(data), codec=NpzCodec()).startswith("rows.npy: a sound NumPy archive is needed; got ")


@pytest.mark.parametrize(("at", "byte"), [(8, 9), (6, 1)])
def test_archive_with_a_password_or_an_unknown_compression_is_refused(at, byte):
    data = bytearray(npz_bytes(features=np.zeros((2, 2))))
    # in the member's own head and in the directory, two bytes further on
    for start in (data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02") + 2):
        data[start + at] = byte
    assert fault(bytes(data), codec=NpzCodec()).startswith("rows.npy: a sound NumPy archive is needed; got ")


def test_archive_whose_directory_points_before_its_start_is_refused():
    data = bytearray(npz_bytes(features=np.zeros((2, 2))))
    end = data.index(b"PK\x05\x06") + 16
    data[end : end + 4] = (int.from_bytes(data[end : end + 4], "little") + 100).to_bytes(4, "little")
    assert fault(bytes(data), codec=NpzCodec()).startswith("rows.npy: a sound NumPy archive is needed; got ")


def test_written_archive_is_what_numpy_reads():
    stream = io.BytesIO()
    writer = npz.NpzWriter(stream, [])
    for start in (0, 2):
        rows = np.arange(start, start + 2, dtype=np.float32)
        writer.write(Batch(np.stack([rows, rows + 0.5], axis=1), rows, rows + 1))
    writer.close()
    stream.seek(0)
    with np.load(stream) as archive:
        assert archive["features"].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5], [3, 3.5]]
        assert (archive["labels"].tolist(), archive["weights"].tolist()) == ([0, 1, 2, 3], [1, 2, 3, 4])
    assert zipfile.ZipFile(stream).testzip() is None
