"""A uniform sample of a channel's rows in one pass: a reservoir on each host, put together in the end.

Vitter, Random Sampling with a Reservoir, ACM Transactions on Mathematical Software 11 (1985), algorithm R.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError
from sagecask.formats.growing import Growing

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster
    from sagecask.formats import Batch

    Prepare = Callable[[NDArray[np.float32] | csr_matrix], NDArray[np.float32]]


class Reservoir:
    """Rows of which each one seen so far is kept with the same chance.

    Parameters
    ----------
    size : rows to keep
    width : features of a row once prepared
    prepare : turns feature rows into the rows to keep; only those that come in are prepared
    seed : of the generator; draws do not depend on how rows come in batches
    """

    def __init__(self, size: int, width: int, prepare: Prepare, seed: int) -> None:
        self._size = size
        self._prepare = prepare
        self._draw = np.random.Generator(np.random.PCG64(seed))
        self._seen = 0
        self._filling = Growing(np.float32, (width,)), Growing(np.float32), Growing(np.int64)
        self._full: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]] | None = None

    @property
    def seen(self) -> int:
        """Rows that have passed."""
        return self._seen

    def add(self, batch: Batch, order: int) -> None:
        """Let labelled rows pass; `order` places the first among the rows of all hosts, the others follow it."""
        room = min(max(self._size - self._seen, 0), len(batch))
        if room:
            self._fill(batch, room, order)
        if room < len(batch):
            self._replace(batch, room, order)
        self._seen += len(batch)

    def rows(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Return what is kept: rows (n, width), labels (n,) and order (n,); nothing is added afterwards."""
        if self._full is None:
            features, labels, order = self._filling
            self._full = features.array(), labels.array(), order.array()
        return self._full

    def _fill(self, batch: Batch, room: int, order: int) -> None:
        features, labels, orders = self._filling
        features.append(self._prepare(batch.features[:room]))
        labels.append(labels_of(batch)[:room])
        orders.append(np.arange(order, order + room))

    def _replace(self, batch: Batch, first: int, order: int) -> None:
        """Give each row after the first `size` the place of a random one, or none."""
        features, labels, orders = self.rows()
        number = self._seen + np.arange(first, len(batch)) + 1
        place = (self._draw.random(len(number)) * number).astype(np.int64)
        came_in = np.flatnonzero(place < self._size)[::-1]
        # of two rows for one place the later one gets it, as if they had come one by one
        at, latest = np.unique(place[came_in], return_index=True)
        if len(at):
            chosen = first + came_in[latest]
            features[at] = self._prepare(batch.features[chosen])
            labels[at] = labels_of(batch)[chosen]
            orders[at] = order + chosen


def labels_of(batch: Batch) -> NDArray[np.float32]:
    """Return (n_rows,) labels.

    Raises
    ------
    DataError : there are several a row
    """
    assert batch.labels is not None
    if batch.labels.ndim > 1:
        raise DataError(f"knn: one label a row is needed (label_size=1); got {batch.labels.shape[1]}")
    return batch.labels


def gathered(
    reservoir: Reservoir, size: int, cluster: Cluster, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return rows and labels of all hosts' reservoirs, `size` at most; of several hosts in the order of the data."""
    features, labels, order = reservoir.rows()
    if cluster.size == 1:
        return features, labels
    features, labels, order = (np.concatenate(cluster.gather(each)) for each in (features, labels, order))
    rank = np.argsort(order, kind="stable")
    if len(rank) > size:
        # hosts keep a row too many where their number does not divide the size
        rank = rank[np.sort(np.random.Generator(np.random.PCG64(seed)).permutation(len(rank))[:size])]
    return features[rank], labels[rank]
