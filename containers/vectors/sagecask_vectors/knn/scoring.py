"""Scores of predictions that come batch by batch, over all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from sagecask.metrics.counts import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask.report import Kind, Report


class Scores(Protocol):
    """Adds up what is right about predictions."""

    def add(self, labels: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
        """Count (n,) labels and predictions."""

    def total(self, cluster: Cluster) -> list[tuple[str, Kind, float]]:
        """Return name, kind and value of each metric over all hosts' rows."""


class ClassScores:
    """Accuracy and macro F1; memory grows with the number of classes alone."""

    def __init__(self) -> None:
        self._classes = np.empty(0, np.float32)
        # labelled, predicted, right
        self._counts = np.zeros((3, 0), np.int64)

    def add(self, labels: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
        self._widen(np.unique(np.concatenate([labels, predicted])))
        for row, values in enumerate((labels, predicted, labels[labels == predicted])):
            at = np.searchsorted(self._classes, values)
            self._counts[row] += np.bincount(at, minlength=len(self._classes))

    def total(self, cluster: Cluster) -> list[tuple[str, Kind, float]]:
        """Return accuracy and F1 averaged over the classes that occur among labels or predictions."""
        self._widen(np.unique(np.concatenate(cluster.gather(self._classes))))
        cluster.sum(self._counts)
        labelled, predicted, right = self._counts
        f1 = float(ratio(2 * right, labelled + predicted).mean())
        return [("accuracy", "score", float(right.sum() / labelled.sum())), ("macro_f_1.000", "score", f1)]

    def _widen(self, classes: NDArray[np.float32]) -> None:
        known = np.union1d(self._classes, classes)
        counts = np.zeros((3, len(known)), np.int64)
        counts[:, np.searchsorted(known, self._classes)] = self._counts
        self._classes, self._counts = known, counts


class SquaredError:
    """Mean squared error."""

    def __init__(self) -> None:
        # sum of squares, rows
        self._sums = np.zeros(2)

    def add(self, labels: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
        error = labels.astype(np.float64) - predicted
        self._sums += np.array([error @ error, len(labels)])

    def total(self, cluster: Cluster) -> list[tuple[str, Kind, float]]:
        """Return the mean over all rows."""
        cluster.sum(self._sums)
        return [("mse", "loss", float(self._sums[0] / self._sums[1]))]


def write(report: Report, channel: str, scores: Scores, cluster: Cluster) -> None:
    """Write the lines of all metrics, each in both forms."""
    total = scores.total(cluster)
    for name, _, value in total:
        report.score(channel, name, value)
    for name, kind, value in total:
        report.quality(channel, name, kind, value)
