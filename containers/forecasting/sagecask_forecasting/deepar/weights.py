"""The arrays of a model, by name: the network's weights and what is known of the scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import ModelDataError
from sagecask_forecasting.deepar.draws import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sagecask_forecasting.deepar.shape import Shape


def sizes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array; gates are input, forget, cell and output gate, `cells` of each."""
    cells, gates, outputs = shape.cells, 4 * shape.cells, OUTPUTS[shape.likelihood]
    layers = range(shape.layers)
    return {
        **{f"embeddings.{column}": (size, shape.embedding) for column, size in enumerate(shape.cardinality)},
        **{f"inputs.{layer}": (gates, cells if layer else shape.varying) for layer in layers},
        **{f"recurrent.{layer}": (gates, cells) for layer in layers},
        **{f"biases.{layer}": (gates,) for layer in layers},
        "keep": (1,),
        "static": (gates, shape.static),
        "head.weight": (outputs, cells),
        "head.bias": (outputs,),
        "scales.overall": (1,),
        "scales.spread": (1,),
        "scales.by_category": (sum(shape.cardinality),),
    }


def check(shape: Shape, arrays: Mapping[str, NDArray[np.float32]], where: str) -> None:
    """Refuse arrays that do not belong to a network of this shape.

    Parameters
    ----------
    arrays : weights of `Network` and arrays of `Scales`
    where : opens the message

    Raises
    ------
    ModelDataError : an array is missing, of another type or shape, or has a value that is no finite number
    """
    for name, size in sizes(shape).items():
        array = arrays.get(name)
        wanted = f'{where}: an array "{name}" of {"x".join(map(str, size))} float32 is needed'
        if array is None:
            raise ModelDataError(f"{wanted}; got none")
        if array.dtype != np.float32 or array.shape != size:
            raise ModelDataError(f"{wanted}; got {'x'.join(map(str, array.shape)) or 'one'} {array.dtype}")
        if not np.isfinite(array).all():
            raise ModelDataError(f'{where}: finite numbers in "{name}" are needed; got {_first(array)}')
    if not 0 <= arrays["keep"][0] <= 1:
        raise ModelDataError(f'{where}: "keep" from 0 to 1 is needed; got {arrays["keep"][0]}')
    if arrays["scales.spread"][0] <= 0:
        raise ModelDataError(f'{where}: "scales.spread" above 0 is needed; got {arrays["scales.spread"][0]}')


def _first(array: NDArray[np.float32]) -> np.float32:
    strange: np.float32 = array[~np.isfinite(array)][0]
    return strange
