"""The file `model_algo-1`: written and read as npz, read as every form of an MXNet list.

The vectors are written by hand from the format: list magic 0x112 and a reserved number of 8 bytes each, the number of
arrays, each array (magic, storage type, number of dimensions, dimensions, device type and number, type, values), the
number of names, each name with its length.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from sagecask_vectors import model_file

from sagecask.errors import ModelDataError

LIST = "1201000000000000 0000000000000000"
ONE = "0100000000000000"
NONE = "0000000000000000"
CPU = "01000000 00000000"
FLOAT32 = "00000000"
# 1, 2 and 3 in one row
VALUES = "0000803f 00000040 00004040"
ARRAY = {
    # no magic: two dimensions of 32 bits
    "legacy": f"02000000 01000000 03000000 {CPU} {FLOAT32} {VALUES}",
    # dimensions of 64 bits
    "V1": f"c8fa93f9 02000000 0100000000000000 0300000000000000 {CPU} {FLOAT32} {VALUES}",
    # dense storage is 0
    "V2": f"c9fa93f9 00000000 02000000 0100000000000000 0300000000000000 {CPU} {FLOAT32} {VALUES}",
    "V3": f"cafa93f9 00000000 02000000 0100000000000000 0300000000000000 {CPU} {FLOAT32} {VALUES}",
}
# "mean", and "arg:v"
MEAN = "0400000000000000 6d65616e"
ARGUMENT = "0500000000000000 6172673a76"


def load(folder, content):
    (folder / "model_algo-1").write_bytes(content)
    return model_file.load(folder, "kmeans")


def refused(folder, content):
    with pytest.raises(ModelDataError) as raised:
        load(folder, content)
    opening = f"{folder / 'model_algo-1'}: a sound model file of kmeans is needed; got "
    assert str(raised.value).startswith(opening)
    return str(raised.value).removeprefix(opening)


@pytest.mark.parametrize("version", ARRAY)
@pytest.mark.parametrize(("names", "key"), [(NONE, "0"), (ONE + MEAN, "mean"), (ONE + ARGUMENT, "v")])
def test_every_version_of_a_list_is_read(tmp_path, version, names, key):
    arrays = load(tmp_path, bytes.fromhex(f"{LIST} {ONE} {ARRAY[version]} {names}"))
    assert list(arrays) == [key]
    assert arrays[key].dtype == np.float32
    assert arrays[key].tolist() == [[1, 2, 3]]


def test_arrays_of_several_versions_keep_their_order(tmp_path):
    count = "0400000000000000"
    arrays = load(tmp_path, bytes.fromhex(f"{LIST} {count} {' '.join(ARRAY.values())} {NONE}"))
    assert list(arrays) == ["0", "1", "2", "3"]
    assert all(array.tolist() == [[1, 2, 3]] for array in arrays.values())


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("01000000", "000000000000f03f 0000000000000040", np.float64),
        ("02000000", "003c 0040", np.float16),
        ("03000000", "01 02", np.uint8),
        ("04000000", "01000000 02000000", np.int32),
        ("05000000", "01 02", np.int8),
        ("06000000", "0100000000000000 0200000000000000", np.int64),
    ],
)
def test_every_type_of_number_is_read(tmp_path, kind, values, dtype):
    array = f"c9fa93f9 00000000 01000000 0200000000000000 {CPU} {kind} {values}"
    found = load(tmp_path, bytes.fromhex(f"{LIST} {ONE} {array} {NONE}"))["0"]
    assert (found.dtype, found.tolist()) == (dtype, [1, 2])


@pytest.mark.parametrize("version", ARRAY)
def test_list_that_ends_early_is_refused_wherever_it_does(tmp_path, version):
    content = bytes.fromhex(f"{LIST} {ONE} {ARRAY[version]} {ONE} {MEAN}")
    for size in range(1, len(content)):
        assert refused(tmp_path, content[:size]) == "a list of MXNet arrays that ends early"


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("", "a list of MXNet arrays that ends early"),
        ("736f6d65 7468696e 67", "neither an npz file nor a list of MXNet arrays"),
        (f"{LIST} {ONE} c9fa93f9 01000000", "a sparse MXNet array, which no original writes"),
        (f"{LIST} {ONE} c8fa93f9 21000000", "an MXNet array of 33 dimensions"),
        (
            f"{LIST} {ONE} c9fa93f9 00000000 01000000 ffffffffffffffff {CPU} {FLOAT32}",
            "an MXNet array of type 0 and shape [-1]",
        ),
        (
            f"{LIST} {ONE} c9fa93f9 00000000 01000000 0100000000000000 {CPU} 07000000",
            "an MXNet array of type 7 and shape [1]",
        ),
        (
            f"{LIST} {ONE} c9fa93f9 00000000 02000000 0000004000000000 0000004000000000 {CPU} {FLOAT32}",
            "a list of MXNet arrays that ends early",
        ),
        (f"{LIST} {ONE} {ARRAY['V2']} 0200000000000000 {MEAN} {MEAN}", "2 names for 1 arrays"),
    ],
)
def test_bytes_of_another_form_are_refused(tmp_path, content, got):
    assert refused(tmp_path, bytes.fromhex(content)) == got


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelDataError) as raised:
        model_file.load(tmp_path, "pca")
    path = tmp_path / "model_algo-1"
    assert str(raised.value) == f"{path}: the model file of pca is needed; got No such file or directory"


def test_parameters_within_a_zip_archive_are_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model-symbol.json", "{}")
        archive.writestr("model-0000.params", bytes.fromhex(f"{LIST} {ONE} {ARRAY['V2']} {ONE} {ARGUMENT}"))
    assert load(tmp_path, buffer.getvalue())["v"].tolist() == [[1, 2, 3]]


def test_saved_arrays_are_loaded_by_numpy_and_here(tmp_path):
    arrays = {"v": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(4)}
    model_file.save(tmp_path, arrays)
    with np.load(tmp_path / "model_algo-1") as by_numpy:
        loaded = model_file.load(tmp_path, "pca")
        for name, array in arrays.items():
            for found in (by_numpy[name], loaded[name]):
                np.testing.assert_array_equal(found, array)
                assert (found.dtype, found.shape) == (array.dtype, array.shape)


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        model_file.save(tmp_path / name, {"v": np.ones((2, 3))})
    one, two = ((tmp_path / name / "model_algo-1").read_bytes() for name in ("one", "two"))
    assert one == two


def test_truncated_or_damaged_npz_is_refused(tmp_path):
    model_file.save(tmp_path, {"v": np.arange(50.0)})
    content = (tmp_path / "model_algo-1").read_bytes()
    assert refused(tmp_path, content[: len(content) // 2]) == "File is not a zip file"
    damaged = content[:200] + bytes([content[200] ^ 255]) + content[201:]
    assert refused(tmp_path, damaged) == "Bad CRC-32 for file 'v.npy'"


def test_pickled_objects_are_refused(tmp_path):
    with (tmp_path / "model_algo-1").open("wb") as file:
        np.savez(file, v=np.array([{}, []], dtype=object))
    content = (tmp_path / "model_algo-1").read_bytes()
    assert refused(tmp_path, content) == "Object arrays cannot be loaded when allow_pickle=False"


@pytest.mark.parametrize(
    ("array", "shape", "message"),
    [
        (None, (None, 2), 'model_algo-1: pca needs an array "v" of nx2 numbers; got none'),
        (np.ones((2, 3)), (None, 2), 'model_algo-1: pca needs an array "v" of nx2 numbers; got 2x3 of float64'),
        (np.ones(2), (None, 2), 'model_algo-1: pca needs an array "v" of nx2 numbers; got 2 of float64'),
        (np.array("a"), (), 'model_algo-1: pca needs an array "v" of one number; got one number of <U1'),
        (np.array([1, np.nan]), (2,), 'model_algo-1: pca needs finite numbers in "v"; got others'),
    ],
)
def test_array_of_another_shape_is_refused(array, shape, message):
    with pytest.raises(ModelDataError) as raised:
        model_file.of_shape({} if array is None else {"v": array}, "v", shape, "pca")
    assert str(raised.value) == message


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8])
def test_array_of_the_shape_comes_as_contiguous_float32(dtype):
    found = model_file.of_shape({"v": np.ones((3, 2), dtype).T}, "v", (2, None), "pca")
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
