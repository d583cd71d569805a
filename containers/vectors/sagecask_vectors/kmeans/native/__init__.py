"""The loops of an assignment pass that are no matrix product, compiled."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Labels = NDArray[np.int64]

__all__ = ["closest", "tally"]


class _Compiled(Protocol):
    def closest(self, products: Floats, halves: Floats, squares: Floats, labels: Labels, squared: Floats, /) -> None:
        """Fill the closest center of each row, the first of equally close ones, and the squared distance to it.

        Parameters
        ----------
        products : (n_rows, n_centers) of rows and centers
        halves : (n_centers,) half the square lengths of the centers
        squares : (n_rows,) square lengths of the rows

        Raises
        ------
        ValueError : an array is of another type or size, or not C-contiguous
        """

    def tally(
        self, rows: Floats, labels: Labels, squared: Floats, sums: Doubles, counts: Doubles, errors: Doubles, /
    ) -> None:
        """Add rows, ones and squared distances to (n_centers, width) sums, (n_centers,) counts and errors.

        Raises
        ------
        ValueError : an array is of another type or size, not C-contiguous, or a label is none of a center
        """


_compiled = cast("_Compiled", import_module(f"{__name__}._compiled"))
closest, tally = _compiled.closest, _compiled.tally
