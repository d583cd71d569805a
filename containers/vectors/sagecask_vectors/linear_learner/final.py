"""The final model on each channel: its threshold, its loss and its scores, as metric lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors.linear_learner import settings
from sagecask_vectors.linear_learner.model import LinearModel, logistic
from sagecask_vectors.linear_learner.scores import N_BINS, BinaryScores, MulticlassScores, RegressionScores, Scores
from sagecask_vectors.linear_learner.threshold import Aim, edge
from sagecask_vectors.stream import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sagecask.algorithm import Job
    from sagecask.formats import Batch
    from sagecask_vectors.linear_learner.hyperparameters import LinearLearnerHyperparameters
    from sagecask_vectors.linear_learner.losses import Loss
    from sagecask_vectors.linear_learner.selection import Selection

    Batches = Callable[[int], Iterator[Batch]]


class Final:
    """Scores the chosen model of a job.

    Parameters
    ----------
    label_scale : what labels and outputs were divided by in training
    """

    def __init__(self, job: Job[LinearLearnerHyperparameters], loss: Loss, label_scale: float) -> None:
        self._job = job
        self._given = job.hyperparameters
        self._loss = loss
        self._label_scale = label_scale
        self._cut = N_BINS // 2
        self._size = max(256, min(16384, 2**21 // settings.num_outputs(self._given)))

    def on_selection(self, model: LinearModel, selection: Selection) -> LinearModel:
        """Set a binary classifier's threshold on the data that chose it, and report how it does there."""
        scores = self._scores()
        if isinstance(scores, BinaryScores) and selection.most is not None:
            few = self._scores()
            assert isinstance(few, BinaryScores)
            self._add(model, _limited(selection.batches(self._size), selection.most), few)
            few.calibrate(Aim.of(self._given))
            scores.cut = few.cut
        loss = self._add(model, selection.batches(self._size), scores)
        if isinstance(scores, BinaryScores):
            if selection.most is None:
                scores.calibrate(Aim.of(self._given))
            self._cut = scores.cut
            model = replace(model, threshold=self._threshold(model))
        self._report(selection.name, loss, scores)
        return model

    def on(self, model: LinearModel, channel: str, batches: Batches) -> None:
        """Report how the model does on another channel."""
        scores = self._scores()
        loss = self._add(model, batches(self._size), scores)
        self._report(channel, loss, scores)

    def on_sample(self, model: LinearModel, sample: Batch) -> None:
        """Report the loss of the model on sampled train rows."""
        loss = self._add(model, iter([sample]), self._scores())
        self._job.report.quality("train", self._loss.objective, "loss", loss)

    def _scores(self) -> Scores:
        given = self._given
        if given.predictor_type == "binary_classifier":
            return BinaryScores(self._natural, given.f_beta, self._cut)
        if given.predictor_type == "multiclass_classifier":
            classes = settings.num_outputs(given)
            return MulticlassScores(classes, given.f_beta, given.accuracy_top_k)
        return RegressionScores()

    @property
    def _natural(self) -> float:
        return 0.5 if settings.loss_name(self._given) == "hinge_loss" else 0.0

    def _threshold(self, model: LinearModel) -> float:
        """Return the score at the cut; one that no score reaches where nothing is of class 1."""
        raw = edge(self._cut, N_BINS) + self._natural
        if model.link == "logistic":
            score = float(logistic(np.array(raw)))
            return score if np.isfinite(raw) or raw < 0 else float(np.nextafter(np.float32(1), np.float32(2)))
        limit = float(np.finfo(np.float32).max)
        return min(max(raw, -limit), limit)

    def _add(self, model: LinearModel, batches: Iterator[Batch], scores: Scores) -> float:
        """Add the rows of all hosts to the scores and return their mean loss, of labels as they are trained on."""
        sums = np.zeros(2)
        for batch in batches:
            assert batch.labels is not None
            raw = model.raw(batch)
            scores.add(batch.labels, raw)
            outputs = torch.from_numpy((raw / self._label_scale).astype(np.float32))[:, None]
            labels = torch.from_numpy(np.asarray(batch.labels / self._label_scale, np.float32))
            sums += float(self._loss.value(outputs, labels).sum(dtype=torch.float64)), len(batch)
        scores.merge(self._job.cluster)
        self._job.cluster.sum(sums)
        return float(sums[0] / sums[1])

    def _report(self, channel: str, loss: float, scores: Scores) -> None:
        report = self._job.report
        if channel != "train":
            # the objective of training stays that of training, elsewhere it has the label's unit
            loss *= self._label_scale**self._loss.power
        report.quality(channel, self._loss.objective, "loss", loss)
        for name, kind, value in scores.lines():
            report.quality(channel, name, kind, float(value))
        report.score(channel, self._loss.objective, loss)
        for name, _, value in scores.lines():
            report.score(channel, name, float(value))


def _limited(batches: Iterator[Batch], most: int) -> Iterator[Batch]:
    """Yield the first rows; every batch is asked for, since hosts take them in step."""
    left = most
    for batch in batches:
        yield rows(batch, 0, min(left, len(batch)))
        left = max(0, left - len(batch))
