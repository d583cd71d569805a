"""The compiled forest. `Forest` is None where it was not built."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Counts = NDArray[np.uint32]

__all__ = ["Forest"]

# what becomes of the sums over the trees: forest.h has the same order
LINKS = ("identity", "sigmoid", "exponential", "hinge", "softmax", "argmax")


class CompiledForest(Protocol):
    """Decision trees, copied and checked; never written to again, so that forked processes share them.

    nodes : (n_nodes,) of `threshold` float32, `feature` uint32 (its highest bit: NaN goes right) and `child` uint32:
        below the threshold to `child`, else to child + 1; a leaf's threshold is NaN and its child itself
    values : (n_nodes,) float32, of leaves
    roots, groups : (n_trees,) uint32, a tree's first node, and the output that it adds to
    weights : (n_trees,) float32, or None
    base : (n_groups,) float32, what is answered where no tree adds anything
    width : number of features
    link : position in LINKS

    Raises
    ------
    ValueError : a walk would leave the forest or not end
    """

    def __init__(  # noqa: PLR0913, PLR0917 - by position, from one place
        self, nodes: NDArray[np.void], values: Floats, roots: Counts, groups: Counts,
        weights: Floats | None, base: Floats, width: int, link: int, /,
    ) -> None: ...  # fmt: skip

    def predict(self, rows: Floats, answers: Floats, /) -> bool:
        """Write n_rows * n_groups answers to C-contiguous (n_rows, width) rows; `argmax` fills the first n_rows.

        Returns
        -------
        whether no value is infinite; else nothing is written
        """


def _load() -> type[CompiledForest] | None:
    try:
        module = import_module("sagecask_boosting.native._forest")
    except ImportError:
        return None
    return cast("type[CompiledForest]", module.Forest)


Forest = _load()
