"""The compiled recurrent layers; recurrent.py says what they compute and calls them.

Arrays are C-contiguous, float32 if nothing else is said; `sizes` is `recurrent.Sizes`. A range of blocks of 32 rows is
worked on, with the interpreter's lock released; calls on other ranges may run at the same time.

Raises
------
ValueError : an array is of another type or size, or a number out of range
TypeError : something is no array
MemoryError : memory is short
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Integers = NDArray[np.int64]
    Sizes = tuple[int, ...]
    Zoneout = tuple[int, int, int, float]

__all__ = ["compiled"]


class Compiled(Protocol):
    """The functions of module.c; arguments are taken by position."""

    def measure(self, sizes: Sizes, /) -> tuple[int, int, int]:
        """Return how many floats packed weights, a block's tape and a share of the gradient have."""

    def pack(self, sizes: Sizes, weights: tuple[Floats, ...], packed: Floats, /) -> None:
        """Write weights as the others want them: of each layer input, recurrent and bias, then head and its bias."""

    def spread(self, sizes: Sizes, encoded: Floats, per_series: int, state: Floats, /) -> None:
        """Write the state of series, (n_series, layers, 2, cells), for `per_series` paths of each, in blocks."""

    def forward(  # noqa: PLR0913, PLR0917 - by position, from one place
        self,
        sizes: Sizes,
        packed: Floats,
        history: Floats,
        places: Integers,
        features: Floats,
        base: Floats,
        zoneout: Zoneout,
        tape: Floats | None,
        raw: Floats | None,
        state: Floats | None,
        first: int,
        last: int,
        /,
    ) -> None:
        """Run all steps; `tape` keeps what `backward` needs, `raw` and `state` are written where they are given."""

    def backward(  # noqa: PLR0913, PLR0917 - by position, from one place
        self,
        sizes: Sizes,
        packed: Floats,
        tape: Floats,
        raw_gradient: Floats,
        zoneout: Zoneout,
        base_gradient: Floats,
        share: Floats,
        first: int,
        last: int,
        /,
    ) -> None:
        """Write the gradient of `base`, and add that of the weights to `share`; the tape is used up."""

    def sample(  # noqa: PLR0913, PLR0917 - by position, from one place
        self,
        sizes: Sizes,
        packed: Floats,
        per_series: int,
        step: int,
        common: Floats,
        drawn: Floats,
        lags: Integers,
        zoneout: Zoneout,
        state: Floats,
        raw: Floats,
        first: int,
        last: int,
        /,
    ) -> None:
        """Move all paths by one step: `common` and `drawn` in, `state` changed, `raw` out."""

    def squash(self, lanes: int, count: int, values: Floats, sigmoid: Floats, tanh: Floats, /) -> None:
        """Write the approximated sigmoid and tanh of values."""


compiled = cast("Compiled", import_module(f"{__name__}._compiled"))
