"""The file `model_algo-1.json`: how the index is asked and how its neighbours' labels become an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagecask.errors import ModelDataError
from sagecask_vectors.knn.preparation import Preparation
from sagecask_vectors.knn.projection import GENERATOR, projection

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1.0"
PREDICTOR_TYPES = ("classifier", "regressor")


@dataclass(frozen=True, slots=True)
class Description:
    """What the file says.

    k : neighbours that vote
    predictor_type : classifier or regressor
    feature_dim : features of a row, None for as many as a vector of the index has
    reduction : `sign`, `fjlt`, or None for no reduction
    target_dim : length of a reduced vector
    seed : of the projection
    normalize : whether vectors have length 1
    """

    k: int
    predictor_type: str
    feature_dim: int | None = None
    reduction: str | None = None
    target_dim: int | None = None
    seed: int = 0
    normalize: bool = False

    def preparation(self, index_dim: int) -> Preparation:
        """Return what rows go through on their way to an index of vectors of that length."""
        width = self.feature_dim or index_dim
        reduce = projection(self.reduction, width, index_dim, self.seed) if self.reduction else None
        return Preparation(width, index_dim, reduce, self.normalize)

    def write(self, path: Path) -> None:
        """Write the file."""
        reduction: dict[str, Any] = {
            "type": self.reduction,
            "seed": self.seed,
            "target_dim": self.target_dim,
            "input_dim": self.feature_dim,
        }
        if self.reduction:
            reduction["generator"] = GENERATOR
        text = {
            "k": self.k,
            "predictor_type": self.predictor_type,
            "dimension_reduction": reduction,
            "normalize": self.normalize,
            "version": VERSION,
        }
        path.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> Description:
    """Return what a file of `Description.write` or of the original container says.

    Raises
    ------
    ModelDataError : it is missing or damaged, or names a projection whose random numbers are not known here
    """
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelDataError(f"{path}: the description of a knn model is needed; got {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelDataError(f"{path}: JSON is needed; got {error}") from error
    if not isinstance(text, dict):
        raise ModelDataError(f"{path}: a JSON object is needed; got {type(text).__name__}")
    reduction = text.get("dimension_reduction") or {}
    if not isinstance(reduction, dict):
        raise ModelDataError(f'{path}: an object or null under "dimension_reduction" is needed; got {reduction!r}')
    if text.get("predictor_type") not in PREDICTOR_TYPES:
        got = text.get("predictor_type", "none")
        raise ModelDataError(f'{path}: "predictor_type" must be one of {", ".join(PREDICTOR_TYPES)}; got {got}')
    kind = reduction.get("type")
    kind = None if str(kind).lower() in {"", "none"} else kind
    if kind in ("sign", "fjlt") and reduction.get("generator") != GENERATOR:
        raise ModelDataError(
            f"{path}: a projection drawn by the generator {GENERATOR} is needed, since a seed means other numbers to "
            f"another one; got {reduction.get('generator', 'none')}"
        )
    if kind not in (None, "sign", "fjlt"):
        raise ModelDataError(f'{path}: a "type" of dimension reduction out of sign, fjlt and null; got {kind!r}')
    return Description(
        k=_whole(path, text, "k", 1) or 1,
        predictor_type=text["predictor_type"],
        feature_dim=_whole(path, reduction, "input_dim", 1, optional=kind is None),
        reduction=kind,
        target_dim=_whole(path, reduction, "target_dim", 1, optional=kind is None),
        seed=_whole(path, reduction, "seed", 0, optional=True) or 0,
        normalize=bool(text.get("normalize")),
    )


def _whole(path: Path, values: dict[str, Any], key: str, least: int, *, optional: bool = False) -> int | None:
    value = values.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ModelDataError(f'{path}: a whole number of at least {least} under "{key}" is needed; got {value!r}')
    return value
