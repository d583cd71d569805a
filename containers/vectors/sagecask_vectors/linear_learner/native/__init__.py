"""The compiled step of gradient descent, for weights that are in the main memory."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["step"]


class CompiledStep(Protocol):
    """The formula of optimizers.py, in one pass over the weights."""

    def __call__(  # noqa: PLR0913, PLR0917 - by position, from one place
        self,
        weights: Floats,
        first: Floats,
        second: Floats,
        average: Floats,
        gradient: Floats,
        rates: Floats,
        coefficients: Floats,
        scale: float,
        recency: float,
        /,
    ) -> None:
        """Change the first four, in place.

        Parameters
        ----------
        weights, first, second, average, gradient : (n_rows, n_columns)
        rates, coefficients : (1, n_columns) and (8, n_columns)
        scale : factor of the gradient
        recency : share of the new weights in the average

        Raises
        ------
        ValueError : an array is of another type or shape, or not C-contiguous
        """  # fmt: skip


step = cast("CompiledStep", import_module(f"{__name__}._compiled").step)
