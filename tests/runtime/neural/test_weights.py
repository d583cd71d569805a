"""Weights as files: the same bytes for the same weights, and a sentence for what is no such file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sagecask.errors import ModelDataError
from sagecask.neural.tree import join, split
from sagecask.neural.weights import load_weights, save_weights


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    transposed = torch.arange(6.0).reshape(2, 3).t()
    save_weights(
        path, {"b": transposed, "a": np.array(7, np.int64), "none": np.zeros((0, 2))}, {"lags": [1, 2], "x": None}
    )
    weights, about = load_weights(path)
    assert about == {"lags": [1, 2], "x": None}
    assert {name: (array.dtype, array.shape) for name, array in weights.items()} == {
        "a": (np.dtype(np.int64), ()),
        "b": (np.dtype(np.float32), (3, 2)),
        "none": (np.dtype(np.float64), (0, 2)),
    }
    np.testing.assert_array_equal(weights["b"], transposed.numpy())


def test_equal_weights_make_equal_bytes_in_any_order(tmp_path: Path) -> None:
    weights = {name: np.full(3, index, np.float32) for index, name in enumerate("abcdefgh")}
    about = {name: name for name in weights}
    save_weights(tmp_path / "1", weights, about)
    save_weights(tmp_path / "2", dict(reversed(weights.items())), dict(reversed(about.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:0], lambda data: b"\x80\x05" + data])
def test_a_file_that_is_none_is_named(tmp_path: Path, damage) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"a": np.zeros(3)}, {})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelDataError) as caught:
        load_weights(path)
    assert str(caught.value).startswith(f"{path}: weights as a whole safetensors file are needed; got ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ModelDataError) as caught:
        load_weights(path)
    assert str(caught.value) == f"{path}: weights are needed; got no file"


def test_states_come_back_as_they_were() -> None:
    state = {
        "state": {0: {"step": torch.tensor(3.0), "none": None}},
        "groups": [{"betas": (0.9, 0.999)}],
        "best": math.inf,
    }
    tensors: dict[str, torch.Tensor] = {}
    back = join(split(state, "optimizer", tensors), tensors)
    assert back == state
    assert isinstance(back["groups"][0]["betas"], tuple)
    assert list(tensors) == ["optimizer.state.0.step"]
