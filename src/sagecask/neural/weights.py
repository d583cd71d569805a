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


def save_weights(path: Path, weights: Mapping[str, ArrayLike], about: Mapping[str, object] | None = None) -> None:
    """Write arrays, or tensors on the CPU, and what JSON says about them, where something is to be said."""
    arrays = {name: np.asarray(weights[name], order="C") for name in sorted(weights)}
    # the file's own metadata have no fixed order, so there is one entry
    metadata = {_KEY: json.dumps(dict(about), sort_keys=True)} if about is not None else None
    # safetensors' own writing of a file lets nobody but its owner read it
    path.write_bytes(save(arrays, metadata))


def load_weights(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return arrays by name and what was said about them; imports no torch.

    Raises
    ------
    ModelDataError : the file is missing, cannot be read, is cut, or no safetensors file
    """
    try:
        # of a file that must not be read, safetensors says that there is none
        path.open("rb").close()
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - it is no mapping
    except FileNotFoundError as error:
        raise ModelDataError(f"{path}: weights are needed; got no file") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelDataError(f"{path}: weights as a whole safetensors file are needed; got {error}") from error
