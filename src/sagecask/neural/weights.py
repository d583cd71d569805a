"""Weights as a safetensors file: arrays by name and nothing that could be run; equal weights make equal bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sagecask.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

_KEY = "sagecask"


def save_weights(path: Path, weights: Mapping[str, ArrayLike], about: Mapping[str, object]) -> None:
    """Write arrays, or tensors on the CPU, and what JSON says about them."""
    arrays = {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
    # the file's own metadata have no fixed order, so there is one entry
    path.write_bytes(save(arrays, {_KEY: json.dumps(dict(about), sort_keys=True)}))


def load_weights(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return arrays by name and what was said about them; imports no torch.

    Raises
    ------
    ModelDataError : the file is missing, cut, or no safetensors file of `save_weights`
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - it is no mapping
    except FileNotFoundError as error:
        raise ModelDataError(f"{path.name}: a safetensors file is needed; got none") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelDataError(
            f"{path.name}: a whole safetensors file of this algorithm is needed; got {error}"
        ) from error
