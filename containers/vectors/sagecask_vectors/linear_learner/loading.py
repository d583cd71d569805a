"""From a model folder to a model: what `LinearModel.save` wrote, or the archive of the original container.

The original's file is a zip: mx-mod-0000.params holds `fc0_weight` (n_outputs, n_features) and `fc0_bias`, and
additional-params.json settings in the form of hyperparameters. It is read as far as these names go.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import ModelDataError
from sagecask_vectors import model_file
from sagecask_vectors.linear_learner.model import LINKS, OWNER, PREDICTOR_TYPES, LinearModel, from_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_SETTINGS = "additional-params.json"
_WEIGHTS, _BIAS = "fc0_weight", "fc0_bias"


def load(folder: Path) -> LinearModel:
    """Read a model.

    Raises
    ------
    ModelDataError : the file is missing, damaged, or of no form that is known
    """
    arrays = model_file.load(folder, OWNER)
    if _WEIGHTS in arrays:
        return _original(arrays, _settings(folder / model_file.NAME))
    if "weights" not in arrays:
        names = ", ".join(sorted(arrays)) or "none"
        raise ModelDataError(
            f'{model_file.NAME}: {OWNER} needs an array "weights", or "{_WEIGHTS}" of the original; got {names}'
        )
    return from_arrays(arrays)


def _original(arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> LinearModel:
    table = model_file.of_shape(arrays, _WEIGHTS, (None, None), OWNER)
    outputs = len(table)
    bias = model_file.of_shape(arrays, _BIAS, (outputs,), OWNER) if _BIAS in arrays else np.zeros(outputs, np.float32)
    kind = str(settings.get("predictor_type", "multiclass_classifier" if outputs > 1 else "unknown"))
    if kind not in PREDICTOR_TYPES:
        raise ModelDataError(
            f'{model_file.NAME}, {_SETTINGS}: "predictor_type" must be one of {", ".join(PREDICTOR_TYPES)}; got {kind}'
        )
    link = {"multiclass_classifier": "softmax", "regressor": "identity"}.get(kind, "logistic")
    if settings.get("loss") == "hinge_loss":
        link = "identity"
    assert link in LINKS
    threshold = settings.get("threshold", 0.5)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ModelDataError(f'{model_file.NAME}, {_SETTINGS}: "threshold" must be a number; got {threshold!r}')
    return LinearModel(np.ascontiguousarray(table.T), bias, kind, link, float(threshold))


def _settings(path: Path) -> Mapping[str, Any]:
    """Return what the archive says beside its weights; nothing where it is no archive or does not say."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if _SETTINGS not in archive.namelist():
            return {}
        try:
            found = json.loads(archive.read(_SETTINGS))
        except ValueError as error:
            raise ModelDataError(f"{model_file.NAME}, {_SETTINGS}: JSON is needed; got {error}") from error
    return found if isinstance(found, dict) else {}
