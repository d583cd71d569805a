"""A forest of random cut trees as flat arrays: built from samples, kept in a file, scored by the compiled part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import ModelDataError
from sagecask_vectors.randomcutforest import native

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# rows a thread, below which starting it costs more than it saves
ROWS_A_THREAD = 256


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees one after another; nodes of a tree in preorder, its leaves from left to right.

    A tree of k leaves has k - 1 nodes. The left subtree of node i is node i + 1, its right one node i + left[i]; a
    subtree of one leaf is that leaf and has no node. Rows go left where their value in the dimension is at most the
    cut.

    points : (n_leaves, n_features) float32, the values of each leaf
    counts : (n_leaves,) uint32, equal rows of the sample that share the leaf
    leaves : (n_trees,) uint32, number of leaves
    dimensions, cuts, left : (n_leaves - n_trees,) uint32, float32, uint32: what each node cuts and where, and the
        number of leaves of its left subtree
    """

    points: NDArray[np.float32]
    counts: NDArray[np.uint32]
    leaves: NDArray[np.uint32]
    dimensions: NDArray[np.uint32]
    cuts: NDArray[np.float32]
    left: NDArray[np.uint32]

    @classmethod
    def build(cls, samples: NDArray[np.float32], seed: int) -> Forest:
        """Build a tree from each sample.

        Parameters
        ----------
        samples : (n_trees, n_rows, n_features), C-contiguous and finite

        Source
        ------
        Guha, Mishra, Roy and Schrijvers, ICML 2016, definition 1
        """
        n_trees, n_rows, width = samples.shape
        seeds = np.random.SeedSequence(seed).generate_state(n_trees, np.uint64).astype(np.uint64, copy=False)
        leaves = np.empty(n_trees, np.uint32)
        order, counts, dimensions, left = np.empty((4, n_trees * n_rows), np.uint32)
        cuts = np.empty(n_trees * n_rows, np.float32)
        rows = samples.reshape(-1, width)
        total = native.build(rows, seeds, n_rows, width, leaves, order, counts, cuts, dimensions, left)
        nodes = slice(total - n_trees)
        return cls(rows[order[:total]], counts[:total].copy(), leaves, dimensions[nodes].copy(), cuts[nodes].copy(),
                   left[nodes].copy())  # fmt: skip

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], where: str) -> Forest:
        """Return the forest of a file's arrays, all of it checked.

        Parameters
        ----------
        where : opens the message

        Raises
        ------
        ModelDataError : an array is missing, or they are no forest
        """
        found = {}
        for field in fields(cls):
            array, kind = arrays.get(field.name), np.float32 if field.name in {"points", "cuts"} else np.uint32
            axes = 2 if field.name == "points" else 1
            if array is None or array.ndim != axes or array.dtype != kind:
                got = "none" if array is None else f"{array.ndim} of {array.dtype}"
                wanted = f"{axes} {'axes' if axes > 1 else 'axis'} of {np.dtype(kind)}"
                raise ModelDataError(f'{where}: an array "{field.name}" of {wanted} is needed; got {got}')
            if kind is np.float32 and not np.isfinite(array).all():
                raise ModelDataError(f'{where}: finite numbers are needed in "{field.name}"; got others')
            found[field.name] = np.ascontiguousarray(array)
        forest = cls(**found)
        try:
            forest.prepare()
        except ValueError as error:
            raise ModelDataError(f"{where}: {error}") from error
        return forest

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by its name, as a file keeps them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.points.shape[1])

    def prepare(self) -> None:
        """Have the boxes ready that scoring needs; else the first call of `scores` makes them.

        Raises
        ------
        ValueError : the arrays are no forest
        """
        assert self._compiled is not None

    def scores(self, rows: NDArray[np.float32], threads: int = 1) -> NDArray[np.float32]:
        """Return (n_rows,) scores; what a row gets does not depend on the others or on `threads`.

        Parameters
        ----------
        rows : (n_rows, n_features), finite
        """
        rows = np.require(rows, np.float32, ("C", "A"))
        scores = np.empty(len(rows), np.float32)
        parts = max(1, min(threads, len(rows) // ROWS_A_THREAD))
        if parts == 1:
            self._compiled.score(rows, scores)
            return scores
        bounds = np.linspace(0, len(rows), parts + 1).astype(int)
        spans = [slice(start, stop) for start, stop in pairwise(bounds)]
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(lambda span: self._compiled.score(rows[span], scores[span]), spans))
        return scores

    @cached_property
    def _compiled(self) -> native.CompiledForest:
        return native.Forest(self.points, self.counts, self.leaves, self.dimensions, self.cuts, self.left, self.width)


def memory_needed(n_rows: int, width: int, *, scored: bool) -> int:
    """Return the bytes that building a forest of so many sampled rows takes beside the sample, and scoring with it."""
    # first the trees' parts; the sample and they are gone when there are points, and boxes of twice their size
    numbers = width * (1 + scored)
    return n_rows * (4 * numbers + 128)
