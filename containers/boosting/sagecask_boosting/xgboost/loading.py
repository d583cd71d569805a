"""Model files of this and other XGBoost containers, read without running anything that is in them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import xgboost as xgb

from sagecask.errors import ModelDataError
from sagecask_boosting.xgboost import legacy
from sagecask_boosting.xgboost.integrity import check_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings

FILE = "xgboost-model"
_NUMBERED = re.compile(rf"{FILE}(-\d+)?")
_ARCHIVES = (".tar", ".gz", ".tgz", ".zip")
_MANIFEST = "sagecask.json"

_CONVERT = (
    "in Python with the XGBoost release that wrote it, "
    'run pickle.load(open("xgboost-model", "rb")).save_model("xgboost-model.json") and pack that file instead'
)


def load(folder: Path, settings: InferenceSettings) -> list[xgb.Booster]:
    """Return the boosters of a model folder, in the order of their names; the first alone where none are to be joined.

    Raises
    ------
    ModelDataError : no model file, or one that is pickled, damaged or of another format
    """
    files = model_files(folder)
    if not files:
        raise ModelDataError(f"{folder}: a file {FILE}; got {_listing(folder)}")
    return [read(path) for path in (files if settings.ensemble else files[:1])]


def model_files(folder: Path) -> list[Path]:
    """Return `xgboost-model` and `xgboost-model-N`; where there are none, every file that may be a model.

    Other files can lie beside a model, archives in local mode (contract 19.20), so known names come first.
    """
    if not folder.is_dir():
        raise ModelDataError(f"{folder}: a model folder; got none")
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=_order)
    named = [path for path in files if _NUMBERED.fullmatch(path.name)]
    others = [
        path
        for path in files
        if not path.name.startswith(".") and path.name != _MANIFEST and not path.name.endswith(_ARCHIVES)
    ]
    return named or others


def read(path: Path) -> xgb.Booster:
    """Return the booster of one file, cut to its best round.

    Raises
    ------
    ModelDataError : as `load`
    """
    # one thread: a pool started before the server forks would hang its workers
    booster = whole(path, {"nthread": 1})
    best = booster.attr("best_iteration")
    if best is None or not best.isdigit() or int(best) + 1 >= booster.num_boosted_rounds():
        return booster
    linear = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear"
    return booster if linear else booster[: int(best) + 1]


def whole(path: Path, parameters: Mapping[str, object]) -> xgb.Booster:
    """Return the booster of one file with every round: UBJSON, JSON or the binary format of XGBoost 1.x.

    Raises
    ------
    ModelDataError : as `load`
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelDataError(f"{path}: a readable model file; got {error.strerror}") from error
    booster = xgb.Booster(dict(parameters))
    try:
        booster.load_model(bytearray(_readable(raw, str(path))))
        # an incomplete model shows here at the latest
        booster.save_config()
    except (xgb.core.XGBoostError, ValueError) as error:
        raise ModelDataError(f"{path}: a model of XGBoost; got one of which it says: {reason(error)}") from error
    return booster


def reason(error: Exception) -> str:
    """Return what the library says, without its stack trace."""
    return str(error).partition("\nStack trace")[0].strip()


def _readable(raw: bytes, where: str) -> bytes:
    """Return bytes that the library can be trusted with: nothing, or half of UBJSON, would end the process."""
    if raw.startswith(legacy.MAGIC):
        return legacy.to_json(raw, where)
    if raw[:1] == b"\x80":
        raise ModelDataError(f"{where}: a model saved by XGBoost; got a Python pickle, which is never read: {_CONVERT}")
    if len(raw) < 2 or raw[:1] != b"{":
        got = f"a file that starts with {raw[:4].hex(' ')}" if raw else "an empty file"
        raise ModelDataError(f"{where}: a model of XGBoost in UBJSON, JSON or the binary format of 1.x; got {got}")
    # JSON goes on with a quote or white space
    if raw[1:2] not in {b'"', b" ", b"\n", b"\r", b"\t", b"}"}:
        check_whole(raw)
    return raw


def _order(path: Path) -> tuple[str, int]:
    """Sort xgboost-model-10 behind xgboost-model-9."""
    stem, _, number = path.name.rpartition("-")
    return (stem, int(number)) if number.isdigit() else (path.name, -1)


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:10]) or "an empty folder"
