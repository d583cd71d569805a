"""Epochs over the train channel, and scores of the test channel."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError, TrainingStopped, UserError
from sagecask_vectors.factorization_machines.engines import CompiledEngine, SharedEngine
from sagecask_vectors.factorization_machines.scoring import Totals
from sagecask_vectors.factorization_machines.settings import optimizer_of
from sagecask_vectors.stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.algorithm import Job
    from sagecask.formats import Batch
    from sagecask_vectors.factorization_machines.engines import Engine
    from sagecask_vectors.factorization_machines.hyperparameters import FactorizationMachinesHyperparameters
    from sagecask_vectors.factorization_machines.weights import Weights

_log = logging.getLogger(__name__)
# rows that the compiled code gets at a time where mini-batches are small
ROWS = 2048
# mini-batches after which several hosts ask one another whether to stop
STEPS = 64
# set by the tuning service
_SERVICE = ("_tuning_objective_metric",)


class Training:
    """One job's epochs; the weights change in place."""

    def __init__(self, job: Job[FactorizationMachinesHyperparameters], weights: Weights) -> None:
        self._job = job
        self._given = job.hyperparameters
        self._weights = weights
        self._engine: Engine | None = None
        self._classifier = self._given.predictor_type == "binary_classifier"
        # how rows are counted in messages
        self._whose = " of this host's" if job.cluster.size > 1 else ""

    def run(self) -> bool:
        """Train all epochs, or until the job is asked to stop; return whether it was.

        Raises
        ------
        UserError : a row is not as declared, or the weights grew beyond bounds
        TrainingStopped : the job was asked to stop before there was anything to keep
        """
        internal = sorted(name for name in self._given.hidden if name.startswith("_") and name not in _SERVICE)
        if internal:
            _log.info("internal settings of the original have no effect: %s", ", ".join(internal))
        totals, stopped = self._epochs(self._stream("train"))
        if self._engine is not None:
            self._engine.finish()
        if not all(
            np.isfinite(each.sum()) for each in (self._weights.bias, self._weights.linear, self._weights.factors)
        ):
            raise _unbounded("the last epoch")
        self._publish("train", totals)
        return stopped

    def _epochs(self, stream: Stream) -> tuple[Totals, bool]:
        """Return the totals of the last epoch, and whether the job was asked to stop in it."""
        totals = Totals(classifier=self._classifier)
        for epoch in range(self._given.epochs):
            begin = time.perf_counter()
            reached, own, stopped = self._epoch(stream, epoch)
            # a stop may come before the first row
            totals = reached if reached.rows else totals
            if stopped:
                _log.info("asked to stop in epoch %d: the model so far is kept", epoch)
                return totals, True
            self._publish("train", totals, epoch=epoch)
            self._job.report.progress(epoch + 1, self._given.epochs)
            self._job.report.throughput(own / (time.perf_counter() - begin))
        return totals, False

    def test(self) -> None:
        """Score the test channel with the weights as they are."""
        totals = Totals(classifier=self._classifier)
        stream = self._stream("test")
        first = 1
        _log.info("scoring the test channel")
        # asked below in any case
        with suppress(TrainingStopped):
            for batch in stream.epoch(ROWS):
                totals.add(self._weights.scores(batch.features), self._labels(batch, stream, first))
                first += len(batch)
        if self._job.cluster.any(self._job.stop_requested()):
            _log.info("asked to stop while the test channel was scored: its metrics are left out")
            return
        totals = totals.over(self._job.cluster)
        self._publish("test", totals)
        for name, _, value in totals.figures():
            self._job.report.score("test", name, value)

    def _stream(self, channel: str) -> Stream:
        return Stream(
            self._job.channels[channel], self._job.cluster, feature_dim=self._given.feature_dim, labelled=True
        )

    def _epoch(self, stream: Stream, epoch: int) -> tuple[Totals, int, bool]:
        """Train one epoch; return its totals over all hosts, this host's rows, and whether a stop cut it short."""
        size, interval = self._given.mini_batch_size, self._given.batch_metrics_publish_interval
        # several hosts exchange sums after each mini-batch, one can take many at a time
        together = max(1, ROWS // size) if self._job.cluster.size == 1 else 1
        totals = Totals(classifier=self._classifier)
        number, first = 0, 1
        for block in stream.epoch(size * together):
            labels = self._labels(block, stream, first)
            scores = self._engine_for(block).learn(block.features, labels, size)
            start = 0
            for batch in range(-(-number // interval) * interval, number + together, interval):
                stop = (batch + 1 - number) * size
                # with several hosts a block is this host's part of one mini-batch, which may have no rows
                if together > 1 and stop - size >= len(labels):
                    break
                totals.add(scores[start:stop], labels[start:stop])
                start = stop
                self._publish("train", totals.over(self._job.cluster), epoch=epoch, batch=batch)
            totals.add(scores[start:], labels[start:])
            number, first = number + together, first + len(block)
            if self._stopping(number):
                return totals.over(self._job.cluster), first - 1, True
        joined = totals.over(self._job.cluster)
        if not joined.finite:
            raise _unbounded(f"epoch {epoch}")
        return joined, first - 1, self._job.cluster.any(self._job.stop_requested())

    def _stopping(self, number: int) -> bool:
        """Return whether to stop within an epoch, which all hosts must do after the same mini-batch."""
        if self._job.cluster.size == 1:
            return self._job.stop_requested()
        return number % STEPS == 0 and self._job.cluster.any(self._job.stop_requested())

    def _engine_for(self, block: Batch) -> Engine:
        """Return what takes the steps, chosen by the first rows."""
        if self._engine is None:
            self._engine = self._chosen(block)
        return self._engine

    def _chosen(self, block: Batch) -> Engine:
        optimizer, cluster = optimizer_of(self._given), self._job.cluster
        # the files of another host may differ
        if self._job.gpus and cluster.any(block.sparse):
            _log.info("sparse rows are trained on the CPU: GPUs are for dense rows")
        elif self._job.gpus:
            from sagecask.neural.devices import device  # noqa: PLC0415 - imports torch
            from sagecask_vectors.factorization_machines.dense import DenseEngine  # noqa: PLC0415 - imports torch

            where = device(self._job.gpus)
            if where.type != "cpu":
                return DenseEngine(self._weights, optimizer, cluster, where)
        if cluster.size > 1:
            return SharedEngine(self._weights, optimizer, cluster)
        return CompiledEngine(self._weights, optimizer)

    def _labels(self, batch: Batch, stream: Stream, first: int) -> NDArray[np.float32]:
        labels = batch.labels
        assert labels is not None, "the stream has looked"
        if labels.ndim != 1:
            raise DataError(f"{stream.where}, row {first}{self._whose}: one label is needed; got {labels.shape[1]}")
        if self._classifier and not (kept := (labels == 0) | (labels == 1)).all():
            row = int(np.argmin(kept))
            raise DataError(
                f"{stream.where}, row {first + row}{self._whose}: a label of 0 or 1 is needed (predictor_type "
                f"binary_classifier); got {labels[row]:g}"
            )
        return np.ascontiguousarray(labels, np.float32)

    def _publish(self, channel: str, totals: Totals, *, epoch: int | None = None, batch: int | None = None) -> None:
        for name, kind, value in totals.figures():
            self._job.report.quality(channel, name, kind, value, epoch=epoch, batch=batch)


def _unbounded(place: str) -> UserError:
    return UserError(
        f"factorization-machines, {place}: scores must stay finite; got others: lower the learning rates, set "
        "clip_gradient, or scale the features"
    )
