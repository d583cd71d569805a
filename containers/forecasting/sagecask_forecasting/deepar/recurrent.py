"""Recurrent layers with zoneout and a linear head, over many rows: sizes, packed weights, threads.

A step of a layer (Hochreiter & Schmidhuber 1997, with forget gate) with zoneout (Krueger et al. 2016, equations 3, 4):

    i, f, o = sigmoid(W x + R h + b)    g = tanh(W x + R h + b)
    c' = f c + i g                      h' = o tanh(c')
    c <- c where a unit keeps its cell, else c';  h <- h where it keeps its state, else h'

The inputs x of the first layer are lagged points of a history, and features; what is one for all steps comes in as
`base`, the first layer's bias of each row. Rows are independent, so threads share them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sagecask_forecasting.deepar.native import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BLOCK = 32
# blocks whose weights' gradients are summed apart, so that the sum does not depend on the number of threads
SHARES = 16
_LINE = 64


class Sizes(NamedTuple):
    """Of rows and network.

    points : of the history of a row
    lanes : floats of a vector, one of 4, 8 and 16; 0 takes the widest of the machine
    """

    rows: int
    steps: int
    points: int
    lags: int
    features: int
    cells: int
    layers: int
    outputs: int
    lanes: int = 0

    @property
    def blocks(self) -> int:
        """Blocks of rows, the last filled up."""
        return -(-self.rows // BLOCK)


class Zoneout(NamedTuple):
    """Which units keep their state in a step.

    first, second : 32-bit seeds of a hash of layer, step, unit and row, which decides where `threshold` is above 0
    threshold : of 65,536, how many units keep their state; those of hidden states and of cells are drawn apart
    keep : with a threshold of 0, share of the old state in the new one for all units
    """

    first: int = 0
    second: int = 0
    threshold: int = 0
    keep: float = 0.0


def empty(count: int) -> Floats:
    """Return memory that begins with a cache line."""
    memory = np.empty(count * 4 + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + count * 4].view(np.float32)


def packed(sizes: Sizes, weights: Sequence[Floats]) -> Floats:
    """Return weights in the order of the compiled code; of each layer input, recurrent and bias, then the head's."""
    result = empty(compiled.measure(sizes)[0])
    compiled.pack(sizes, tuple(weights), result)
    return result


def over_blocks(blocks: int, threads: int, work: Callable[[int, int], None], parts: int = 0) -> None:
    """Call `work` with ranges of blocks, in several threads.

    Parameters
    ----------
    parts : number of ranges; by default one a thread
    """
    parts = min(parts or threads, blocks)
    edges = [blocks * part // parts for part in range(parts + 1)]
    ranges = list(pairwise(edges))
    if threads == 1 or parts == 1:
        for first, last in ranges:
            work(first, last)
        return
    pool = _pool(threads, os.getpid())
    for done in [pool.submit(work, first, last) for first, last in ranges]:
        done.result()


@cache
def _pool(threads: int, _: int) -> ThreadPoolExecutor:
    # one a process: threads do not outlive a fork
    return ThreadPoolExecutor(threads, thread_name_prefix="recurrent")


class Tapes:
    """Memory of passes that are over, for those to come: fresh memory costs a page fault every 4 KiB."""

    def __init__(self) -> None:
        self._free: list[Floats] = []

    def take(self, count: int) -> Floats:
        """Return memory of `count` floats."""
        if self._free and self._free[-1].size >= count:
            return self._free.pop()[:count]
        self._free.clear()
        return empty(count)

    def give(self, tape: Floats) -> None:
        """Take memory back."""
        if len(self._free) < 2:
            self._free.append(tape)
