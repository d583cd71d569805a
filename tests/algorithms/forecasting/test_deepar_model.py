"""The model folder of DeepAR: what it holds, how it is read, what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.lags import lags
from sagecask_forecasting.deepar.loading import load

from sagecask.algorithm import InferenceSettings
from sagecask.errors import ModelDataError


@pytest.fixture
def folder(small, tmp_path):
    """A copy of the small model's folder."""
    return shutil.copytree(small, tmp_path / "model")


def refusal(folder):
    with pytest.raises(ModelDataError) as caught:
        load(folder, InferenceSettings())
    return str(caught.value).replace(str(folder), "model")


def described(folder, **changes):
    path = folder / "model_algo-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_folder_has_weights_and_their_description(small):
    assert sorted(path.name for path in small.iterdir()) == ["model_algo-1", "model_algo-1.json", "sagecask.json"]
    assert json.loads((small / "model_algo-1.json").read_text()) == {
        "lags": list(lags(Frequency(1, "D"))),
        "algorithm": "forecasting-deepar", "format": 1, "time_freq": "D", "context_length": 6, "prediction_length": 3,
        "likelihood": "student-T", "cardinality": [3], "unseen": [[1]], "embedding_dimension": 10,
        "num_dynamic_feat": 0, "num_cells": 4, "num_layers": 1,
    }  # fmt: skip
    assert load_file(small / "model_algo-1")["head.weight"].shape == (3, 4)


def test_folder_without_weights_is_refused(folder):
    (folder / "model_algo-1").unlink()
    assert refusal(folder) == "model/model_algo-1: weights are needed; got no file"


def test_folder_without_a_description_is_refused(folder):
    (folder / "model_algo-1.json").unlink()
    assert refusal(folder) == (
        "model/model_algo-1.json: the description of a forecasting-deepar model is needed; got no file"
    )


@pytest.mark.parametrize("size", [0, 7, 300])
def test_weights_that_end_early_are_refused(size, folder):
    path = folder / "model_algo-1"
    path.write_bytes(path.read_bytes()[:size])
    assert refusal(folder).startswith("model/model_algo-1: weights as a whole safetensors file are needed; got ")


def test_description_that_is_no_json_is_refused(folder):
    (folder / "model_algo-1.json").write_text("{")
    assert refusal(folder).startswith("model/model_algo-1.json: a description in JSON is needed; got Expecting ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, 'an object with "format" 1 is needed; got 2'),
        ({"time_freq": "Q"}, "a frequency under \"time_freq\" is needed; got 'Q'"),
        ({"likelihood": "normal"}, "a likelihood under \"likelihood\" is needed; got 'normal'"),
        ({"num_cells": 0}, 'an integer in [1, 1000000] under "num_cells" is needed; got 0'),
        ({"num_layers": True}, 'an integer in [1, 1000000] under "num_layers" is needed; got True'),
        ({"cardinality": [0]}, 'a list of positive integers under "cardinality" is needed; got [0]'),
        ({"unseen": [[1], []]}, 'a list of whole numbers for each category under "unseen" is needed; got [[1], []]'),
    ],
)
def test_description_of_no_network_is_refused(changes, message, folder):
    described(folder, **changes)
    assert refusal(folder) == f"model/model_algo-1.json: {message}"


def test_lags_of_another_version_are_refused(folder):
    described(folder, lags=[1, 2])
    known = list(lags(Frequency(1, "D")))
    assert refusal(folder) == f'model/model_algo-1.json: the lags {known} under "lags" are needed; got [1, 2]'


def test_weights_of_another_network_are_refused(folder):
    described(folder, likelihood="gaussian")
    assert refusal(folder) == 'model/model_algo-1: an array "head.weight" of 2x4 float32 is needed; got 3x4 float32'


def test_weights_that_are_no_numbers_are_refused(folder):
    arrays = load_file(folder / "model_algo-1")
    save_file(arrays | {"head.bias": np.full(3, np.nan, np.float32)}, folder / "model_algo-1")
    assert refusal(folder) == 'model/model_algo-1: finite numbers in "head.bias" are needed; got nan'


ORIGINAL = (
    ": a model trained by this container is needed; got one of the original, whose network has inputs that are not "
    "documented: train anew from the same data"
)


@pytest.mark.parametrize("name", ["model_algo-1-0000.params", "model_algo-1-symbol.json", "model_algo-1-0000.states"])
def test_archive_of_the_original_is_refused_with_the_reason(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    assert refusal(tmp_path) == f"model/{name}{ORIGINAL}"


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\x12\x01\x00\x00\x00\x00\x00\x00rest"])
def test_parameters_of_the_original_are_known_by_their_first_bytes(content, tmp_path):
    (tmp_path / "model_algo-1").write_bytes(content)
    assert refusal(tmp_path) == f"model/model_algo-1{ORIGINAL}"
