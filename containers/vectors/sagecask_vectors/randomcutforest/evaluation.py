"""How well scores tell labelled anomalies: rows far above the mean score are taken for anomalies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.cluster import Cluster

DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Detection:
    """Counts of rows by label and by what they were taken for; 0 stands for a figure without any row to count.

    hits : anomalies that were found
    false_alarms : normal rows taken for anomalies
    misses : anomalies that were not found
    rejections : normal rows taken for normal
    """

    hits: int
    false_alarms: int
    misses: int
    rejections: int

    @property
    def accuracy(self) -> float:
        """Share of rows taken for what they are."""
        right = self.hits + self.rejections
        return _ratio(right, right + self.false_alarms + self.misses)

    @property
    def mirrored(self) -> Detection:
        """The same rows with normal ones as what is looked for."""
        return Detection(self.rejections, self.misses, self.false_alarms, self.hits)

    @property
    def precision(self) -> float:
        """Of the rows taken for anomalies, the share that is."""
        return _ratio(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        """Of the anomalies, the share that was found."""
        return _ratio(self.hits, self.hits + self.misses)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)


def detection(scores: NDArray[np.float32], labels: NDArray[np.bool_], cluster: Cluster) -> Detection:
    """Count, with the mean and the (population) standard deviation of all hosts' scores.

    Parameters
    ----------
    scores, labels : (n_rows,), those of this host, which may be none
    """
    exact = scores.astype(np.float64)
    totals = np.array([len(exact), exact.sum()])
    cluster.sum(totals)
    mean = totals[1] / totals[0]
    squares = np.array([np.sum((exact - mean) ** 2)])
    cluster.sum(squares)
    found = exact > mean + DEVIATIONS * math.sqrt(squares[0] / totals[0])
    counts = np.array(
        [np.sum(found & labels), np.sum(found & ~labels), np.sum(~found & labels), np.sum(~found & ~labels)], np.int64
    )
    cluster.sum(counts)
    return Detection(*map(int, counts))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
