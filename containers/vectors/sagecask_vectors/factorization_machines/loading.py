"""A model folder as the model that it holds: ours, or one that the original container wrote."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from sagecask.errors import ModelDataError
from sagecask_vectors import model_file
from sagecask_vectors.factorization_machines.model import PREDICTOR_TYPES, FactorizationMachine
from sagecask_vectors.factorization_machines.weights import Weights

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from sagecask_vectors.factorization_machines.model import PredictorType

OWNER = "factorization-machines"
# a description longer than this is none of the original's
_MOST_BYTES = 16 * 1024 * 1024


def load(folder: Path) -> FactorizationMachine:
    """Return the model of a folder.

    Raises
    ------
    ModelDataError : the file is missing, damaged, of another algorithm, or does not say what its scores are
    """
    arrays = model_file.load(folder, OWNER)
    factors = model_file.of_shape(arrays, "v", (None, None), OWNER)
    linear = model_file.of_shape(_flat(arrays, "w1_weight"), "w1_weight", (len(factors),), OWNER)
    bias = model_file.of_shape(_flat(arrays, "w0_weight"), "w0_weight", (1,), OWNER)
    if not factors.size:
        raise ModelDataError(f'{model_file.NAME}: {OWNER} needs a factor of a feature at least in "v"; got none')
    return FactorizationMachine(Weights(bias, linear, factors), _predictor_type(arrays, folder))


def _flat(arrays: dict[str, NDArray[np.generic]], name: str) -> dict[str, NDArray[np.generic]]:
    """Return one of the arrays, a column or row of numbers, without its other dimensions."""
    return {name: arrays[name].reshape(-1)} if name in arrays else {}


def _predictor_type(arrays: dict[str, NDArray[np.generic]], folder: Path) -> PredictorType:
    told = str(arrays["predictor_type"]) if "predictor_type" in arrays else _told_by_original(folder)
    for known in PREDICTOR_TYPES:
        if told == known:
            return known
    raise ModelDataError(
        f'{model_file.NAME}: {OWNER} needs a predictor type out of {", ".join(PREDICTOR_TYPES)}; got "{told}"'
    )


def _told_by_original(folder: Path) -> str:
    """Return the predictor type that an original's archive names, or that its network's last layer is of."""
    path = folder / model_file.NAME
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        described = [each for each in archive.infolist() if each.filename.endswith(".json")]
        texts = [archive.read(each).decode(errors="replace") for each in described if each.file_size < _MOST_BYTES]
    whole = "\n".join(texts)
    for known, signs in (("binary_classifier", ("Logistic", "sigmoid")), ("regressor", ("LinearRegression",))):
        if known in whole or any(sign in whole for sign in signs):
            return known
    return ""
