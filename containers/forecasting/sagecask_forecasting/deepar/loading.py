"""A model from its folder, with whatever may be wrong with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from sagecask.errors import ModelDataError
from sagecask.neural.weights import load_weights
from sagecask_forecasting.deepar import weights
from sagecask_forecasting.deepar.calendar import Frequency
from sagecask_forecasting.deepar.configuration import from_environment, seed_from
from sagecask_forecasting.deepar.model import DESCRIPTION, FORMAT, NAME, DeepARModel
from sagecask_forecasting.deepar.scaling import Scales
from sagecask_forecasting.deepar.shape import LikelihoodName, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings

# what the original writes beside its parameters, whose form is MXNet's
_FOREIGN = ("*.params", "*symbol.json", "*.states")
_MXNET = (b"PK\x03\x04", b"\x12\x01\x00\x00\x00\x00\x00\x00")
# beyond these no training has come, and sizes would not fit into memory
_MOST = 10**6


def load(folder: Path, settings: InferenceSettings) -> DeepARModel:
    """Read what `DeepARModel.save` wrote.

    Raises
    ------
    ModelDataError : a file is missing or damaged, or the original container wrote it
    UsageError : a variable of the environment has a value that it cannot have
    """
    configuration, seed = from_environment(settings.environment), seed_from(settings.environment)
    _refuse_original(folder)
    found = _description(folder / DESCRIPTION)
    shape = _shape(found, folder / DESCRIPTION)
    path = folder / NAME
    arrays, _ = load_weights(path)
    weights.check(shape, arrays, str(path))
    own = {name: arrays[name] for name in weights.sizes(shape) if not name.startswith("scales.")}
    unseen = _unseen(found, shape, folder / DESCRIPTION)
    return DeepARModel(shape, own, Scales.of_arrays(arrays), unseen, configuration, seed, settings.threads)


def _refuse_original(folder: Path) -> None:
    if (folder / DESCRIPTION).exists():
        return
    found = [path for pattern in _FOREIGN for path in folder.glob(pattern)]
    if (folder / NAME).is_file():
        with (folder / NAME).open("rb") as file:
            found += [folder / NAME] if file.read(8).startswith(_MXNET) else []
    if found:
        raise ModelDataError(
            f"{min(found)}: a model trained by this container is needed; got one of the original, whose network has "
            "inputs that are not documented: train anew from the same data"
        )


def _description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelDataError(f"{path}: the description of a forecasting-deepar model is needed; got no file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelDataError(f"{path}: a description in JSON is needed; got {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        got = found.get("format", "none") if isinstance(found, dict) else type(found).__name__
        raise ModelDataError(f'{path}: an object with "format" {FORMAT} is needed; got {got}')
    return found


def _shape(found: Mapping[str, Any], path: Path) -> Shape:
    frequency = Frequency.parse(str(found.get("time_freq")))
    if frequency is None:
        raise ModelDataError(f'{path}: a frequency under "time_freq" is needed; got {found.get("time_freq")!r}')
    if found.get("likelihood") not in get_args(LikelihoodName):
        raise ModelDataError(f'{path}: a likelihood under "likelihood" is needed; got {found.get("likelihood")!r}')
    shape = Shape(
        frequency,
        _size(found, "context_length", path),
        _size(found, "prediction_length", path),
        found["likelihood"],
        _cardinality(found, path),
        _size(found, "embedding_dimension", path),
        _size(found, "num_dynamic_feat", path, least=0),
        _size(found, "num_cells", path),
        _size(found, "num_layers", path),
    )
    if found.get("lags") != list(shape.lags):
        raise ModelDataError(f'{path}: the lags {list(shape.lags)} under "lags" are needed; got {found.get("lags")!r}')
    return shape


def _size(found: Mapping[str, Any], key: str, path: Path, least: int = 1) -> int:
    value = found.get(key)
    if type(value) is not int or not least <= value <= _MOST:
        raise ModelDataError(f'{path}: an integer in [{least}, {_MOST}] under "{key}" is needed; got {value!r}')
    return value


def _cardinality(found: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    sizes = found.get("cardinality")
    if not isinstance(sizes, list) or any(type(size) is not int or size < 1 for size in sizes):
        raise ModelDataError(f'{path}: a list of positive integers under "cardinality" is needed; got {sizes!r}')
    return tuple(sizes)


def _unseen(found: Mapping[str, Any], shape: Shape, path: Path) -> tuple[frozenset[int], ...]:
    values = found.get("unseen")
    if (
        not isinstance(values, list)
        or len(values) != len(shape.cardinality)
        or not all(isinstance(each, list) and all(type(one) is int for one in each) for each in values)
    ):
        raise ModelDataError(
            f'{path}: a list of whole numbers for each category under "unseen" is needed; got {values!r}'
        )
    return tuple(map(frozenset, values))
