"""The files of a k-NN model: as faiss writes them, read back by either side, and refused where they are damaged."""

from __future__ import annotations

import json
import struct

import faiss
import numpy as np
import pytest
from sagecask_vectors.knn.building import Lists, inverted_lists
from sagecask_vectors.knn.index_file import FLAT_OFFSET, checked, write_flat

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.errors import ModelDataError
from sagecask.formats import Batch, MediaType

VERBOSE = MediaType.parse("application/json;verbose=true")
KNN = registry.load("knn")
ROWS = np.random.default_rng(6).standard_normal((120, 8)).astype(np.float32)
LABELS = np.arange(120, dtype=np.float32) % 3
# what the original container is known to write
ORIGINAL = {
    "k": 3,
    "predictor_type": "classifier",
    "dimension_reduction": None,
    "normalize": False,
    "version": "1.0",
}


def built(kind, metric):
    """Return an index made by faiss alone."""
    if kind == "Flat":
        index = faiss.IndexFlatL2(8) if metric == "L2" else faiss.IndexFlatIP(8)
        index.add(ROWS)
        return index
    return inverted_lists(ROWS, metric, Lists(6, 6, 4 if kind == "IVFPQ" else None))


KINDS = [("Flat", "L2"), ("Flat", "INNER_PRODUCT"), ("IVFFlat", "L2"), ("IVFFlat", "INNER_PRODUCT"), ("IVFPQ", "L2")]


def model_folder(folder, index, description=ORIGINAL):
    faiss.write_index(index, str(folder / "model_algo-1"))
    LABELS.tofile(folder / "model_algo-1.labels")
    (folder / "model_algo-1.json").write_text(json.dumps(description))
    return folder


@pytest.mark.parametrize("metric", ["L2", "INNER_PRODUCT"])
def test_flat_file_has_the_bytes_of_faiss(tmp_path, metric):
    write_flat(tmp_path / "ours", ROWS, metric)
    faiss.write_index(built("Flat", metric), str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert (tmp_path / "ours").stat().st_size == FLAT_OFFSET + ROWS.nbytes


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_file_of_faiss_is_served(tmp_path, kind, metric):
    index = built(kind, metric)
    model = KNN.load(model_folder(tmp_path, index), InferenceSettings())
    columns = model.predict(Batch(ROWS[:40] + np.float32(0.1)), VERBOSE).columns
    distances, near = index.search(ROWS[:40] + np.float32(0.1), 3)
    np.testing.assert_array_equal(columns["labels"], LABELS[near])
    sign = 1 if metric == "L2" else -1
    np.testing.assert_allclose(columns["distances"], sign * distances, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_what_is_in_a_file_is_told_from_its_header(tmp_path, kind, metric):
    found = checked(model_folder(tmp_path, built(kind, metric)) / "model_algo-1")
    assert (found.kind, found.metric, found.dim, found.count) == (kind, metric, 8, 120)


@pytest.mark.parametrize("kind", ["Flat", "IVFFlat", "IVFPQ"])
def test_no_damaged_byte_gets_past_the_check_and_ends_the_process(tmp_path, kind):
    folder = model_folder(tmp_path, built(kind, "L2"))
    path = folder / "model_algo-1"
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    # every byte of the sizes at the front, and some of the rest
    places = [*range(130), *rng.integers(130, len(sound), 60).tolist()]
    for place in places:
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(sound[:place] + bytes([value]) + sound[place + 1 :])
            try:
                KNN.load(folder, InferenceSettings()).predict(Batch(ROWS[:2]), VERBOSE)
            except ModelDataError as error:
                assert str(error).startswith(f"{path}: a sound faiss index is needed; got "), error
    for size in [*range(0, 130, 3), *rng.integers(130, len(sound), 50).tolist()]:
        path.write_bytes(sound[:size])
        with pytest.raises(ModelDataError):
            KNN.load(folder, InferenceSettings())


def _ntotal(content, count):
    return content[:8] + struct.pack("<q", count) + content[16:]


@pytest.mark.parametrize(
    ("kind", "damage", "message"),
    [
        ("Flat", lambda content: content[:-4], "one that ends early"),
        ("Flat", lambda content: content + b"1234", "4 bytes after its end"),
        ("Flat", lambda content: _ntotal(content, 1 << 60), f"960 numbers in {1 << 60} vectors of 8"),
        ("Flat", lambda _: b"", "cannot mmap an empty file"),
        ("Flat", lambda content: b"IxHN" + content[4:], "an index of kind 'IxHN', not Flat, IVFFlat or IVFPQ"),
        ("Flat", lambda content: content[:-4] + b"\0\0\xc0\x7f", "numbers that are not finite"),
        ("IVFFlat", lambda content: _ntotal(content, 119), "120 vectors in the lists, not 119"),
        ("IVFFlat", lambda content: content[:-8] + b"\x78" + bytes(7), "the number of a vector outside 0 to 119"),
    ],
)
def test_damaged_index_is_refused_with_a_sentence(tmp_path, kind, damage, message):
    folder = model_folder(tmp_path, built(kind, "L2"))
    path = folder / "model_algo-1"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelDataError) as caught:
        KNN.load(folder, InferenceSettings())
    assert str(caught.value) == f"{path}: a sound faiss index is needed; got {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, 'a whole number of at least 1 under "k" is needed; got 0'),
        ({"k": "5"}, "a whole number of at least 1 under \"k\" is needed; got '5'"),
        ({"predictor_type": "x"}, '"predictor_type" must be one of classifier, regressor; got x'),
        ({"dimension_reduction": {}}, None),
        ({"dimension_reduction": {"type": "none", "seed": 3}}, None),
        (
            {"dimension_reduction": {"type": "svd"}},
            "a \"type\" of dimension reduction out of sign, fjlt and null; got 'svd'",
        ),
        ({"dimension_reduction": "sign"}, "an object or null under \"dimension_reduction\" is needed; got 'sign'"),
        (
            {"dimension_reduction": {"type": "sign", "seed": 7, "target_dim": 8, "input_dim": 20}},
            "a projection drawn by the generator PCG64 is needed, since a seed means other numbers to another one; "
            "got none",
        ),
        (
            {
                "dimension_reduction": {
                    "type": "sign",
                    "seed": 7,
                    "target_dim": 9,
                    "input_dim": 20,
                    "generator": "PCG64",
                }
            },
            '"target_dim" must be that of the index, 8; got 9',
        ),
        ({"dimension_reduction": {"input_dim": 9}}, '"input_dim" must be at most that of the index, 8; got 9'),
    ],
)
def test_description_is_checked(tmp_path, change, message):
    folder = model_folder(tmp_path, built("Flat", "L2"), ORIGINAL | change)
    if message is None:
        assert KNN.load(folder, InferenceSettings()).width == 8
        return
    with pytest.raises(ModelDataError) as caught:
        KNN.load(folder, InferenceSettings())
    assert str(caught.value) == f"{folder / 'model_algo-1.json'}: {message}"


@pytest.mark.parametrize("name", ["model_algo-1", "model_algo-1.json", "model_algo-1.labels"])
def test_missing_file_is_named(tmp_path, name):
    folder = model_folder(tmp_path, built("Flat", "L2"))
    (folder / name).unlink()
    with pytest.raises(ModelDataError) as caught:
        KNN.load(folder, InferenceSettings())
    what = {
        "model_algo-1": "the index file of knn is",
        "model_algo-1.json": "the description of a knn model is",
        "model_algo-1.labels": "the labels of a knn model are",
    }[name]
    assert str(caught.value) == f"{folder / name}: {what} needed; got No such file or directory"


def test_labels_of_another_number_are_refused(tmp_path):
    folder = model_folder(tmp_path, built("Flat", "L2"))
    LABELS[:-1].tofile(folder / "model_algo-1.labels")
    with pytest.raises(ModelDataError) as caught:
        KNN.load(folder, InferenceSettings())
    path = folder / "model_algo-1.labels"
    assert str(caught.value) == f"{path}: 120 labels of 4 bytes, one a vector, are needed; got 476 bytes"


def test_normalised_vectors_of_an_l2_index_answer_with_cosine_distances(tmp_path):
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    index = faiss.IndexFlatL2(8)
    index.add(unit)
    model = KNN.load(model_folder(tmp_path, index, ORIGINAL | {"normalize": True}), InferenceSettings())
    columns = model.predict(Batch(ROWS[:30] * 7 + np.float32(0.5)), VERBOSE).columns
    asked = ROWS[:30] * 7 + 0.5
    cosine = (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ unit.T
    np.testing.assert_allclose(columns["distances"], np.sort(1 - cosine, axis=1)[:, :3], atol=1e-6)
