"""Model files, ours and the original's, and what loads and predicts without heavy libraries."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sagecask_vectors import model_file
from sagecask_vectors.factorization_machines.model import FactorizationMachine
from sagecask_vectors.factorization_machines.weights import Weights
from scipy.sparse import csr_matrix

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.errors import DataError, ModelDataError
from sagecask.formats import Batch, MediaType

NAME = "factorization-machines"
JSON = MediaType.parse("application/json")
V = np.array([[0.5, -0.25], [1, 0.5], [-0.5, 1]], np.float32)
W = np.array([[0.5], [-1], [0.25]], np.float32)
B = np.array([0.125], np.float32)
ROWS = np.array([[1, 0, 2], [0.5, -1, 0]], np.float32)
# bias and linear part, then what the one pair of each row adds
SCORES = [1.125 - 1, 1.375 - 0.1875]


def machine(kind):
    return FactorizationMachine(Weights(B, W[:, 0], V), kind)


def mxnet_list(arrays):
    """Return the arrays as MXNet 1.x saves them."""
    content = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        content += struct.pack(f"<IiI{array.ndim}q", 0xF993FAC9, 0, array.ndim, *array.shape)
        content += struct.pack("<iii", 1, 0, 0) + array.astype("<f4").tobytes()
    names = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in arrays)
    return content + struct.pack("<Q", len(arrays)) + names


def original(folder, described, arrays=None):
    arrays = arrays or {"arg:v": V, "arg:w1_weight": W, "arg:w0_weight": B}
    with zipfile.ZipFile(folder / "model_algo-1", "w") as archive:
        archive.writestr("params", mxnet_list(arrays))
        for name, content in described.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return folder


def load(folder):
    return registry.load(NAME).load(folder, InferenceSettings())


def test_numpy_alone_reads_the_arrays_under_the_names_of_the_original(tmp_path):
    machine("regressor").save(tmp_path)
    arrays = np.load(tmp_path / "model_algo-1")
    assert sorted(arrays) == ["predictor_type", "v", "w0_weight", "w1_weight"]
    np.testing.assert_array_equal(arrays["v"], V)
    np.testing.assert_array_equal(arrays["w1_weight"], W)
    np.testing.assert_array_equal(arrays["w0_weight"], B)
    assert str(arrays["predictor_type"]) == "regressor"


@pytest.mark.parametrize("kind", ["regressor", "binary_classifier"])
def test_saved_model_answers_as_before(tmp_path, kind):
    machine(kind).save(tmp_path)
    model = load(tmp_path)
    assert (model.width, model.predictor_type) == (3, kind)
    answers = model.predict(Batch(ROWS), JSON).columns
    if kind == "regressor":
        assert list(answers) == ["score"]
        assert np.asarray(answers["score"]).tolist() == SCORES
    else:
        np.testing.assert_allclose(answers["score"], 1 / (1 + np.exp(-np.array(SCORES))), rtol=1e-6)
        assert np.asarray(answers["predicted_label"]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("described", "kind"),
    [
        ({"meta.json": {"predictor_type": "binary_classifier"}}, "binary_classifier"),
        ({"meta.json": {"predictor_type": "regressor"}}, "regressor"),
        ({"symbol.json": {"nodes": [{"op": "LogisticRegressionOutput"}]}}, "binary_classifier"),
        ({"symbol.json": {"nodes": [{"op": "LinearRegressionOutput"}]}}, "regressor"),
    ],
)
def test_archive_of_the_original_is_loaded(tmp_path, described, kind):
    model = load(original(tmp_path, described))
    assert model.predictor_type == kind
    np.testing.assert_array_equal(model.weights.scores(ROWS), np.float32(SCORES))


def test_archive_of_the_original_may_have_the_bias_as_a_matrix(tmp_path):
    arrays = {"v": V, "w1_weight": W, "w0_weight": B[:, None]}
    model = load(original(tmp_path, {"meta.json": "regressor"}, arrays))
    np.testing.assert_array_equal(model.weights.scores(ROWS), np.float32(SCORES))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"w1_weight": W, "w0_weight": B},
         'model_algo-1: factorization-machines needs an array "v" of nxn numbers; got none'),
        ({"v": V, "w1_weight": W[1:], "w0_weight": B},
         'model_algo-1: factorization-machines needs an array "w1_weight" of 3 numbers; got 2 of float32'),
        ({"v": V, "w1_weight": W},
         'model_algo-1: factorization-machines needs an array "w0_weight" of 1 numbers; got none'),
        ({"v": V[:, :0], "w1_weight": W, "w0_weight": B},
         'model_algo-1: factorization-machines needs a factor of a feature at least in "v"; got none'),
        ({"v": V, "w1_weight": W, "w0_weight": B},
         "model_algo-1: factorization-machines needs a predictor type out of binary_classifier, regressor; "
         'got ""'),
        ({"v": V, "w1_weight": W, "w0_weight": B, "predictor_type": np.array("ranker")},
         "model_algo-1: factorization-machines needs a predictor type out of binary_classifier, regressor; "
         'got "ranker"'),
    ],
)  # fmt: skip
def test_file_without_what_is_needed_is_refused(tmp_path, arrays, message):
    model_file.save(tmp_path, arrays)
    with pytest.raises(ModelDataError) as refusal:
        load(tmp_path)
    assert str(refusal.value) == message


def test_file_that_is_missing_or_damaged_is_refused(tmp_path):
    path = tmp_path / "model_algo-1"
    with pytest.raises(ModelDataError) as refusal:
        load(tmp_path)
    assert str(refusal.value) == (
        f"{path}: the model file of factorization-machines is needed; got No such file or directory"
    )
    path.write_bytes(b"no model of any kind")
    with pytest.raises(ModelDataError) as refusal:
        load(tmp_path)
    assert str(refusal.value).startswith(f"{path}: a sound model file of factorization-machines is needed; got ")
    original(tmp_path, {})
    with pytest.raises(ModelDataError, match=r'; got ""$'):
        load(tmp_path)


def test_sparse_rows_may_be_narrower_and_none_may_be_wider():
    model = machine("regressor")
    narrow = csr_matrix(ROWS[1:, :2])
    assert np.asarray(model.predict(Batch(narrow), JSON).columns["score"]).tolist() == SCORES[1:]
    message = "request body: rows of 3 features are needed (feature_dim); got 4"
    for wide in (np.zeros((1, 4), np.float32), csr_matrix((1, 4), dtype=np.float32)):
        with pytest.raises(DataError) as refusal:
            model.predict(Batch(wide), JSON)
        assert str(refusal.value) == message


def test_no_rows_have_no_answers():
    answers = machine("binary_classifier").predict(Batch(np.zeros((0, 3), np.float32)), JSON)
    assert {name: len(column) for name, column in answers.columns.items()} == {"score": 0, "predicted_label": 0}


def test_extreme_scores_stay_probabilities():
    model = machine("binary_classifier")
    rows = np.array([[0, 1e4, 0], [0, -1e4, 0]], np.float32)
    assert np.asarray(model.predict(Batch(rows), JSON).columns["score"]).tolist() == [0.0, 1.0]


def test_loading_and_predicting_import_nothing_of_training(tmp_path):
    machine("binary_classifier").save(tmp_path)
    code = f"""
import sys
import numpy as np
from pathlib import Path
from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.formats import Batch, MediaType
model = registry.load("{NAME}").load(Path({str(tmp_path)!r}), InferenceSettings())
model.predict(Batch(np.zeros((1, 3), np.float32)), MediaType.parse("application/json"))
print(sorted({{"torch", "pydantic", "scipy", "faiss"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"[]\n"
