"""What metric lines say of the final model on a channel: sums over rows, so that batches and hosts add up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from sagecask import metrics
from sagecask.metrics import f_beta_of_counts, roc_auc_of_counts
from sagecask.metrics.counts import ratio
from sagecask_vectors.linear_learner.threshold import Aim, Cuts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask.report import Kind

    Score = tuple[str, Kind, float]

N_BINS = 2**18


class Scores(ABC):
    """Sums over the rows of a channel."""

    @abstractmethod
    def add(self, labels: NDArray[np.float32], raw: NDArray[np.float64]) -> None:
        """Add rows; raw : (n_rows, n_outputs) outputs of the model."""

    @abstractmethod
    def merge(self, cluster: Cluster) -> None:
        """Add what the other hosts have."""

    @abstractmethod
    def lines(self) -> list[Score]:
        """Return name, kind and value of each metric."""


class BinaryScores(Scores):
    """Of a binary classifier, exact at its cut; equal scores for the ROC curve are those of one of 262,144 bins.

    Parameters
    ----------
    natural : raw output of the natural cut
    cut : bin from which on class 1 is predicted
    """

    def __init__(self, natural: float, beta: float, cut: int = N_BINS // 2) -> None:
        self.cut = cut
        self._natural = natural
        self._beta = beta
        self._counts = np.zeros((2, N_BINS), np.int64)

    def add(self, labels: NDArray[np.float32], raw: NDArray[np.float64]) -> None:
        scores = raw[:, 0] - self._natural
        bins = ((scores / (1 + np.abs(scores)) + 1) * (N_BINS / 2)).astype(np.int64).clip(0, N_BINS - 1)
        bins += labels.astype(np.int64) * N_BINS
        self._counts += np.bincount(bins, minlength=2 * N_BINS).reshape(2, N_BINS)

    def merge(self, cluster: Cluster) -> None:
        cluster.sum(self._counts)

    def calibrate(self, aim: Aim) -> None:
        """Put the cut where it serves the criterion best."""
        self.cut = int(Cuts.of(self._counts).best(aim)[0])

    def lines(self) -> list[Score]:
        negatives, positives = self._counts.sum(axis=1)
        wrong, right = self._counts[:, self.cut :].sum(axis=1)
        everything = max(1, negatives + positives)
        f_score = f_beta_of_counts(right, positives, right + wrong, self._beta)
        return [
            ("binary_classification_accuracy", "score", (right + negatives - wrong) / everything),
            (f"binary_f_{self._beta:.3f}", "score", float(f_score)),
            ("precision", "score", float(ratio(float(right), float(right + wrong)))),
            ("recall", "score", float(ratio(float(right), float(positives)))),
            ("roc_auc_score", "score", roc_auc_of_counts(*self._counts)),
        ]


class MulticlassScores(Scores):
    """Of a multiclass classifier; averages are over the classes that occur or are predicted."""

    def __init__(self, n_classes: int, beta: float, k: int) -> None:
        self._beta = beta
        self._k = k
        self._counts = np.zeros((3, n_classes), np.int64)
        self._sums = np.zeros(4)

    def add(self, labels: NDArray[np.float32], raw: NDArray[np.float64]) -> None:
        if not len(labels):
            return
        n_classes = self._counts.shape[1]
        truth, guess = labels.astype(np.int64), raw.argmax(axis=1)
        for row, classes in enumerate((truth, guess, truth[truth == guess])):
            self._counts[row] += np.bincount(classes, minlength=n_classes)
        shifted = raw - raw.max(axis=1, keepdims=True)
        probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        means = (
            metrics.top_k_accuracy(truth, raw, self._k),
            metrics.dcg(truth, raw),
            metrics.log_loss(truth, probabilities),
            1,
        )
        self._sums += len(labels) * np.array(means)

    def merge(self, cluster: Cluster) -> None:
        cluster.sum(self._counts, self._sums)

    def lines(self) -> list[Score]:
        labelled, predicted, right = self._counts[:, self._counts[:2].any(axis=0)]
        top_k, dcg, log_loss, rows = self._sums
        known = labelled > 0
        recall = ratio(right, labelled)
        return [
            ("multiclass_accuracy", "score", right.sum() / rows),
            (f"multiclass_top_k_accuracy_{self._k}", "score", top_k / rows),
            ("dcg", "score", dcg / rows),
            ("macro_recall", "score", float(recall.mean())),
            ("macro_precision", "score", float(ratio(right, predicted).mean())),
            (
                f"macro_f_{self._beta:.3f}",
                "score",
                float(f_beta_of_counts(right, labelled, predicted, self._beta).mean()),
            ),
            ("multiclass_balanced_accuracy", "score", float(recall[known].mean())),
            ("multiclass_log_loss", "loss", log_loss / rows),
        ]


class RegressionScores(Scores):
    """Of a regressor, in the label's unit."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def add(self, labels: NDArray[np.float32], raw: NDArray[np.float64]) -> None:
        error = labels - raw[:, 0]
        self._sums += [np.square(error).sum(), np.abs(error).sum(), len(labels)]

    def merge(self, cluster: Cluster) -> None:
        cluster.sum(self._sums)

    def lines(self) -> list[Score]:
        squares, errors, rows = self._sums
        mse = float(squares / rows)
        return [
            ("mse", "loss", mse),
            ("rmse", "loss", mse**0.5),
            ("absolute_loss", "loss", float(errors / rows)),
        ]
