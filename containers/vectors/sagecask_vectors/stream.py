"""A channel as a stream of mini-batches: rows checked, cut to size and divided between hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError, TrainingStopped
from sagecask.formats import Batch, Layout, concatenate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sagecask.channels import Channel
    from sagecask.cluster import Cluster


class Stream:
    """Epochs of mini-batches of one channel; memory holds a few mini-batches, whatever the channel's size.

    Several hosts see one stream of mini-batches. Where every host has all rows, a mini-batch is `size` rows of which
    each host gets its part, so that sums over hosts are those of one host. Where the platform has dealt the rows out,
    each host contributes `size` rows of its own, and hosts that have run out contribute none until all have.

    Parameters
    ----------
    label_size : leading label columns of formats that do not name their labels
    feature_dim : features that each row must have; None takes what the first row has
    labelled : whether rows without labels are refused
    """

    def __init__(
        self,
        channel: Channel,
        cluster: Cluster,
        *,
        label_size: int = 0,
        feature_dim: int | None = None,
        labelled: bool = False,
    ) -> None:
        self._channel = channel
        self._cluster = cluster
        self._layout = Layout(label_size=label_size)
        self._feature_dim = feature_dim
        self._labelled = labelled
        self._begun = False
        self._nothing: Batch | None = None

    @property
    def where(self) -> str:
        """What opens messages about the rows."""
        return f'channel "{self._channel.name}"'

    @property
    def sharded(self) -> bool:
        """Whether the hosts have different rows."""
        return self._cluster.size > 1 and self._channel.sharded

    def epoch(self, size: int) -> Iterator[Batch]:
        """Yield the rows of one epoch in order, `size` at a time but for the last; each call is the next epoch.

        With several hosts a batch may have no rows; every host gets the same number of batches. A stop signal ends
        the epoch early, on every host in the same step.

        Raises
        ------
        DataError : no row at all, another number of features, a missing or infinite feature, or no label
        TrainingStopped : a stop signal came before the first row of the first epoch
        """
        if self._cluster.size == 1:
            return self._some(self._sized(size))
        return self._in_step(self._sized(size) if self.sharded else self._parts(self._some(self._sized(size))))

    def _some(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        first = next(batches, None)
        if first is None:
            if self._begun:
                return
            raise DataError(f"{self.where}: at least one row is needed; got none")
        yield first
        del first
        yield from batches

    def _parts(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            share = -(-len(batch) // self._cluster.size)
            yield rows(batch, self._cluster.rank * share, (self._cluster.rank + 1) * share)

    def _in_step(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        batch = next(batches, None)
        if self._nothing is None:
            self._nothing = self._no_rows(batch)
        while self._cluster.any(batch is not None):
            yield self._nothing if batch is None else batch
            batch = next(batches, None)

    def _no_rows(self, first: Batch | None) -> Batch:
        """Return a batch without rows that is otherwise as those of the hosts that have some.

        The platform may leave a host without any (contract 4.15).
        """
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - serving takes `refuse_missing` alone

        mine = np.empty((0, 3), np.int64)
        if first is not None:
            mine = np.array([[first.width, first.sparse, first.labels is not None]], np.int64)
        forms = np.concatenate(self._cluster.gather(mine))
        if not len(forms):
            raise DataError(f"{self.where}: at least one row on one host is needed; got none on any")
        width, sparse, labelled = map(int, forms[0])
        none = csr_matrix((0, width), dtype=np.float32) if sparse else np.empty((0, width), np.float32)
        return Batch(none, np.empty(0, np.float32) if labelled else None)

    def _sized(self, size: int) -> Iterator[Batch]:
        """Cut the channel's batches, which are as large as decoding likes, to `size` rows."""
        kept: list[Batch] = []
        count = 0
        for batch in self._checked():
            start = 0
            if kept:
                start = min(size - count, len(batch))
                kept.append(rows(batch, 0, start))
                count += start
                if count < size:
                    continue
                yield concatenate(kept)
                kept, count = [], 0
            while len(batch) - start >= size:
                yield rows(batch, start, start + size)
                start += size
            if start < len(batch):
                kept, count = [rows(batch, start, len(batch))], len(batch) - start
            # not kept alive while the next one is decoded
            del batch
        if kept:
            yield concatenate(kept)

    def _checked(self) -> Iterator[Batch]:
        row = 1
        for batch in self._until_stopped():
            self._check_width(batch, row)
            if self._labelled and batch.labels is None:
                raise DataError(f"{self.where}, row {row}: a label is needed; got none")
            refuse_missing(batch, f"{self.where}, row", row)
            row += len(batch)
            yield self._widened(batch)

    def _until_stopped(self) -> Iterator[Batch]:
        try:
            for batch in self._channel.batches(self._layout):
                self._begun = True
                yield batch
                del batch
        except TrainingStopped:
            if not self._begun:
                raise

    def _check_width(self, batch: Batch, row: int) -> None:
        if self._feature_dim is None:
            self._feature_dim = batch.width
        # a sparse row of libsvm may end before the last feature
        if batch.width > self._feature_dim or (batch.width < self._feature_dim and not batch.sparse):
            raise DataError(
                f"{self.where}, row {row}: {self._feature_dim} features are needed (feature_dim); got {batch.width}"
            )

    def _widened(self, batch: Batch) -> Batch:
        if batch.width == self._feature_dim:
            return batch
        features = batch.features.copy()
        features.resize(len(batch), self._feature_dim or batch.width)
        return Batch(features, batch.labels, batch.weights)


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """Return consecutive rows of a batch; dense ones are a view."""
    if start == 0 and stop >= len(batch):
        return batch
    return Batch(
        batch.features[start:stop],
        None if batch.labels is None else batch.labels[start:stop],
        None if batch.weights is None else batch.weights[start:stop],
    )


def refuse_missing(batch: Batch, where: str, first: int = 1) -> None:
    """Refuse a feature that is missing (NaN) or infinite.

    Parameters
    ----------
    where : opens the message, up to the row's number
    first : number of the batch's first row

    Raises
    ------
    DataError : names row and feature, both from 1
    """
    stored = batch.features if isinstance(batch.features, np.ndarray) else batch.features.data
    # one pass that makes no array; an overflow only leads to the closer look
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(stored.sum(dtype=np.float32)):
            return
    wrong = np.flatnonzero(~np.isfinite(stored.reshape(-1)))
    if not len(wrong):
        return
    if isinstance(batch.features, np.ndarray):
        row, column = divmod(int(wrong[0]), batch.width)
    else:
        row = int(np.searchsorted(batch.features.indptr, wrong[0], side="right")) - 1
        column = int(batch.features.indices[wrong[0]])
    value = float(stored.reshape(-1)[wrong[0]])
    got = "a missing value" if np.isnan(value) else f"{value:g}"
    raise DataError(f"{where} {first + row}, feature {column + 1}: a finite number is needed; got {got}")


def refuse_overflow(found: NDArray[np.floating], what: str, where: str = "request body, row") -> None:
    """Refuse finite features that are too large: what was computed of a row, (n_rows, ...), is no finite number.

    Parameters
    ----------
    what : names that which was computed
    where : opens the message, up to the row's number

    Raises
    ------
    DataError : names the first such row, from 1
    """
    finite = np.isfinite(found).all(axis=tuple(range(1, found.ndim)))
    if not finite.all():
        row = int(finite.argmin()) + 1
        raise DataError(f"{where} {row}: features whose {what} is a finite number are needed; got larger")


def refuse_large(sums: NDArray[np.floating] | float, where: str) -> None:
    """Refuse rows of which sums of squares, or of products, are no finite numbers, although the rows are.

    Raises
    ------
    DataError : they are not
    """
    if not np.isfinite(sums).all():
        raise DataError(f"{where}: features whose squares add up to a float32 are needed; got larger numbers")
