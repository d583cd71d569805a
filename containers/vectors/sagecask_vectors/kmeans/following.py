"""The first two stages of training: K start centers, and how they follow the mini-batches of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError
from sagecask.formats import Batch, concatenate
from sagecask_vectors.kmeans.assignment import located
from sagecask_vectors.kmeans.centers import Centers
from sagecask_vectors.kmeans.relocation import relocate
from sagecask_vectors.kmeans.sample import Sample
from sagecask_vectors.kmeans.start import plus_plus, random_rows
from sagecask_vectors.stream import refuse_large

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask_vectors.kmeans.assignment import Closest, Features, Rows
    from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters

SEED = 0
# mini-batches in which centers still look for their places
RELOCATING = 10
# what the last stage works with: rows at least, rows a center, bytes at most
_SAMPLE_ROWS, _SAMPLE_ROWS_A_CENTER, _SAMPLE_BYTES = 10_000, 20, 256 << 20
# as many centers as `auto` makes of fewer clusters
_ENOUGH = 100


def n_centers(given: KMeansHyperparameters) -> int:
    """Return K. `auto` is a factor of 10 for k up to 10, as the original's logs show, and 1 from k = 100 on."""
    if given.extra_center_factor != "auto":
        return given.k * given.extra_center_factor
    return given.k * max(1, min(10, _ENOUGH // given.k))


@dataclass(frozen=True, slots=True, eq=False)
class MiniBatch:
    """A mini-batch of all hosts, as one host has it.

    features : (n_rows, n_features), dense or CSR, of this host, or of all where `whole`
    own : this host's rows among them
    first : position of the first of those in the whole mini-batch
    total : rows of the whole mini-batch
    """

    features: Features
    own: slice
    first: int
    total: int
    whole: bool


class Following:
    """K centers and a sample of rows, fed with one mini-batch after another.

    rows : that were seen on all hosts, each as often as it came
    own_rows : those of this host
    """

    def __init__(self, given: KMeansHyperparameters, cluster: Cluster, gpu: torch.device | None) -> None:
        self.rows = self.own_rows = 0
        self._given = given
        self._cluster = cluster
        self._gpu = gpu
        self._steps = 0
        self._waiting: list[MiniBatch] = []
        width = given.feature_dim
        room = max(_SAMPLE_ROWS, given.mini_batch_size, _SAMPLE_ROWS_A_CENTER * n_centers(given))
        self.sample = Sample(max(1, min(room, _SAMPLE_BYTES // (4 * width))), width)
        self.origin = np.zeros(width, np.float32)
        self._centers: Centers | None = None

    @property
    def centers(self) -> Centers:
        """The centers, relative to `origin`.

        Raises
        ------
        DataError : there are fewer rows than clusters, or float32 does not hold their squared distances
        """
        if self._centers is None:
            self._begin()
        assert self._centers is not None
        return self._centers

    def add(self, batch: Batch) -> None:
        """Have the centers follow one mini-batch; every host must do so in the same step."""
        self.own_rows += len(batch)
        mini_batch = self._of_all_hosts(batch)
        self.rows += mini_batch.total
        if self._centers is not None:
            self._follow(self._centers, mini_batch)
            return
        self._waiting.append(mini_batch)
        if self.rows >= n_centers(self._given):
            self._begin()

    def _of_all_hosts(self, batch: Batch) -> MiniBatch:
        """Have all hosts know all rows as long as centers look for places, and only their number later on."""
        lengths = np.zeros(self._cluster.size, np.int64)
        lengths[self._cluster.rank] = len(batch)
        self._cluster.sum(lengths)
        first, total = int(lengths[: self._cluster.rank].sum()), int(lengths.sum())
        if self._cluster.size > 1 and self._steps < RELOCATING:
            own = slice(first, first + len(batch))
            return MiniBatch(_everyone(batch.features, self._cluster), own, first, total, whole=True)
        return MiniBatch(batch.features, slice(0, len(batch)), first, total, whole=self._cluster.size == 1)

    def _begin(self) -> None:
        """Choose the start centers among the rows so far, then have them follow these rows."""
        if self.rows < self._given.k:
            raise DataError(f'channel "train": at least k = {self._given.k} rows are needed; got {self.rows}')
        rows = concatenate(Batch(each.features) for each in self._waiting).features
        if isinstance(rows, np.ndarray):
            self.origin = _origin(rows)
        _refuse_large(rows, self.origin)
        there, draw = located(rows, self.origin, self._gpu), np.random.default_rng(SEED)
        weights, count = np.ones(rows.shape[0]), min(n_centers(self._given), rows.shape[0])

        def distances(chosen: NDArray[np.int64]) -> NDArray[np.float32]:
            return there.squared_distances(self._points(rows, chosen))

        if self._given.init_method == "random":
            chosen = random_rows(weights, count, draw)
        else:
            chosen = plus_plus(weights, count, distances, draw)
        self._centers = Centers.at(self._points(rows, chosen))
        seen, self.rows = self.rows, 0
        for mini_batch in self._waiting:
            self.rows += mini_batch.total
            self._follow(self._centers, mini_batch)
        assert self.rows == seen
        self._waiting.clear()

    def _follow(self, centers: Centers, mini_batch: MiniBatch) -> None:
        rows = located(mini_batch.features, self.origin, self._gpu)
        closest = rows.closest(centers.means)
        if self._steps < RELOCATING and self._relocate(centers, mini_batch, rows, closest):
            closest = rows.closest(centers.means)
        tally = rows.tally(closest, len(centers))
        if not mini_batch.whole:
            self._cluster.sum(tally.sums, tally.counts, tally.errors)
        refuse_large(tally.errors, 'channel "train"')
        half_life = self._given.half_life_time_size
        centers.update(tally, 0.5 ** (mini_batch.total / half_life) if half_life else 1.0)
        self._steps += 1
        self._keep(mini_batch, closest[0][mini_batch.own])

    def _relocate(self, centers: Centers, mini_batch: MiniBatch, rows: Rows, closest: Closest) -> bool:
        """Move centers to where they are of more use; return whether any was moved."""
        labels, squared = closest
        counts = np.bincount(labels, minlength=len(centers)).astype(np.float64)
        draw = np.random.default_rng((SEED, 1, self._steps))

        def distances(chosen: NDArray[np.int64]) -> NDArray[np.float32]:
            return rows.squared_distances(self._points(mini_batch.features, chosen))

        moves = list(relocate(centers, counts, squared, distances, draw))
        for kept, gone, row in moves:
            centers.merge(kept, gone)
            self.sample.rename(gone, kept)
            centers.means[gone] = self._points(mini_batch.features, np.array([row]))[0]
        return bool(moves)

    def _keep(self, mini_batch: MiniBatch, labels: NDArray[np.int64]) -> None:
        """Offer this host's rows to the sample; draws go by the place in the whole mini-batch, whoever has it."""
        half_life = self._given.half_life_time_size
        draws = np.random.default_rng((SEED, 2, self._steps)).random(mini_batch.total)
        own = mini_batch.features[mini_batch.own]
        self.sample.add(
            lambda taken: self._points(own, taken),
            labels,
            draws[mini_batch.first : mini_batch.first + len(labels)],
            self.rows * np.log(2) / half_life if half_life else 0.0,
        )

    def _points(self, features: Features, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return rows as the centers see them."""
        rows = features[chosen]
        found: NDArray[np.float32] = (rows if isinstance(rows, np.ndarray) else rows.toarray()) - self.origin
        return found


def _origin(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where to measure from: the middle where the rows lie far from zero, in which float32 digits drown."""
    middle = rows.mean(axis=0, dtype=np.float64)
    far = middle @ middle > 16 * rows.var(axis=0, dtype=np.float64).sum()
    return np.asarray(middle if far else np.zeros_like(middle), np.float32)


def _everyone(features: Features, cluster: Cluster) -> Features:
    """Return the rows of all hosts in their order; CSR where any host has CSR."""
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - as in formats.batch

    if not cluster.any(not isinstance(features, np.ndarray)):
        together: NDArray[np.float32] = np.concatenate(cluster.gather(features))
        return together
    rows = csr_matrix(features)
    data, positions = cluster.gather(rows.data), cluster.gather(rows.indices.astype(np.int64))
    counts = cluster.gather(np.diff(rows.indptr).astype(np.int64))
    shape = features.shape[1]
    return vstack(
        [
            csr_matrix((each, position, np.concatenate([[0], np.cumsum(count)])), shape=(len(count), shape))
            for each, position, count in zip(data, positions, counts, strict=True)
        ],
        format="csr",
    )


def _refuse_large(rows: Features, origin: NDArray[np.float32]) -> None:
    """Refuse rows whose squared distances float32 does not hold, before any is taken."""
    stored, apart = (rows, origin) if isinstance(rows, np.ndarray) else (rows.data[:, None], np.float32(0))
    farthest = np.abs(stored - apart).max(initial=0)
    # no distance is larger than the way by the origin
    refuse_large(np.float32(4 * rows.shape[1]) * np.square(farthest), 'channel "train"')
