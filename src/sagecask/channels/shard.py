"""A host's own share of a channel that every host has in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.channels.channel import ALL_FILES, Channel, DataObject, FileRules, never
from sagecask.formats import Batch, Records

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from sagecask.formats import Layout


def shard(channel: Channel, rank: int, size: int) -> Channel:
    """Return the channel as host `rank` of `size` is to see it: no row is on two hosts, and none on no host.

    A channel that the platform has sharded already is returned as it is. A share may be without rows.
    """
    return channel if size == 1 or channel.sharded else _Share(channel, rank, size)


class _Share(Channel):
    """Every `size`-th row or record, and every `size`-th object, of each epoch; hosts count on in the same order."""

    sharded = True

    def __init__(self, channel: Channel, rank: int, size: int) -> None:
        self.name = channel.name
        self.content_type = channel.content_type
        self._channel = channel
        self._rank = rank
        self._size = size

    def batches(self, layout: Layout, rules: FileRules = ALL_FILES) -> Iterator[Batch]:
        before = 0
        for batch in self._channel.batches(layout, rules):
            share = _every(batch, (self._rank - before) % self._size, self._size)
            before += len(batch)
            if len(share):
                yield share

    def records(self, rules: FileRules = ALL_FILES) -> Iterator[Records]:
        before = 0
        for records in self._channel.records(rules):
            chosen = slice((self._rank - before) % self._size, None, self._size)
            before += len(records)
            if share := records.values[chosen]:
                yield Records(share, records.places[chosen], records.configuration)

    def objects(self, rules: FileRules = ALL_FILES, cancelled: Callable[[], bool] = never) -> Iterator[DataObject]:
        for number, each in enumerate(self._channel.objects(rules, cancelled)):
            if number % self._size == self._rank:
                yield each

    def open(self, name: str) -> io.BufferedReader:
        return self._channel.open(name)


def _every(batch: Batch, first: int, step: int) -> Batch:
    features = batch.features[first::step]
    return Batch(
        np.ascontiguousarray(features) if isinstance(features, np.ndarray) else features,
        None if batch.labels is None else batch.labels[first::step].copy(),
        None if batch.weights is None else batch.weights[first::step].copy(),
    )
