"""From a model folder to a model: what `LinearModel.save` wrote, or the original container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask_vectors import model_file
from sagecask_vectors.linear_learner.model import OWNER, LinearModel, from_arrays

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path) -> LinearModel:
    """Read a model.

    Raises
    ------
    ModelDataError : the file is missing, damaged, or of no form that is known
    """
    return from_arrays(model_file.load(folder, OWNER))
