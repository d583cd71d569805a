"""Figures of merit as sums over rows, which add up over mini-batches and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask.report import Kind


class Totals:
    """Rows scored so far; `figures` are those of all of them.

    classifier : whether scores are those of a binary classifier before the sigmoid
    """

    def __init__(self, *, classifier: bool) -> None:
        self._classifier = classifier
        self._sums = np.zeros(6 if classifier else 3)

    def add(self, scores: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        """Add rows; scores and labels : (n_rows,) float32."""
        self._sums += _class_sums(scores, labels) if self._classifier else _value_sums(scores, labels)

    def over(self, cluster: Cluster) -> Totals:
        """Return the totals of all hosts, each of which must call this."""
        joined = Totals(classifier=self._classifier)
        joined._sums += self._sums
        cluster.sum(joined._sums)
        return joined

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self._sums[0])

    @property
    def finite(self) -> bool:
        """Whether every score so far was a finite number."""
        return bool(np.isfinite(self._sums).all())

    def figures(self) -> Iterator[tuple[str, Kind, float]]:
        """Yield name, kind and value of each metric."""
        rows = self._sums[0]
        if not self._classifier:
            squared, absolute = self._sums[1:] / rows
            yield "rmse", "loss", float(np.sqrt(squared))
            yield "mse", "loss", float(squared)
            yield "absolute_loss", "loss", float(absolute)
            return
        right, entropy, both, labelled, predicted = self._sums[1:]
        yield "binary_classification_accuracy", "score", float(right / rows)
        yield "binary_classification_cross_entropy", "loss", float(entropy / rows)
        # neither labelled nor predicted: as sagecask.metrics has it
        yield "binary_f_1.000", "score", float(2 * both / (labelled + predicted)) if labelled + predicted else 0.0


def _value_sums(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    errors = scores.astype(np.float64) - labels
    return np.array([len(errors), errors @ errors, np.abs(errors).sum()])


def _class_sums(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return rows, right ones, log loss, and those of class 1: found, labelled, predicted."""
    wide = scores.astype(np.float64)
    positive, predicted = labels > 0.5, wide >= 0
    # log(1 + exp(score)) - label * score, without overflow
    entropy = np.maximum(wide, 0) - wide * labels + np.log1p(np.exp(-np.abs(wide)))
    counts = [(positive == predicted).sum(), entropy.sum(), (positive & predicted).sum()]
    return np.array([len(wide), *counts, positive.sum(), predicted.sum()], dtype=np.float64)
