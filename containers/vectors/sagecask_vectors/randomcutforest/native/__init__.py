"""Random cut trees, compiled: building them from rows, and scoring rows with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Counts = NDArray[np.uint32]

__all__ = ["Forest", "build"]


class CompiledForest(Protocol):
    """Trees in flat arrays, copied (but for `points`, which stay the caller's and must not change) and checked.

    points : (n_leaves, width) float32
    counts : (n_leaves,) uint32, rows that a leaf stands for
    leaves : (n_trees,) uint32, number of leaves
    dimensions, cuts, left : (n_leaves - n_trees,) uint32, float32, uint32: the nodes, each before its left subtree and
        that before its right one; `left` counts the leaves of the left subtree

    Raises
    ------
    ValueError : the arrays are no forest
    MemoryError : its boxes do not fit
    """

    def __init__(  # noqa: PLR0913, PLR0917 - by position, from one place
        self, points: Floats, counts: Counts, leaves: Counts, dimensions: Counts, cuts: Floats, left: Counts,
        width: int, /,
    ) -> None: ...  # fmt: skip

    def score(self, rows: Floats, scores: Floats, /) -> None:
        """Fill (n_rows,) scores for C-contiguous (n_rows, width) rows of finite values."""


class _Compiled(Protocol):
    Forest: type[CompiledForest]

    def build(  # noqa: PLR0913, PLR0917 - as above
        self, rows: Floats, seeds: NDArray[np.uint64], n_rows: int, width: int, leaves: Counts, order: Counts,
        counts: Counts, cuts: Floats, dimensions: Counts, left: Counts, /,
    ) -> int:  # fmt: skip
        """Build a tree from each `n_rows` of the rows, (n_trees * n_rows, width); return the number of leaves of all.

        Filled are `leaves`, of an item a tree, and the others, of an item a row, from their beginning: `order` with the
        row that a leaf is, the rest as CompiledForest has it.
        """


_compiled = cast("_Compiled", import_module(f"{__name__}._compiled"))
Forest, build = _compiled.Forest, _compiled.build
