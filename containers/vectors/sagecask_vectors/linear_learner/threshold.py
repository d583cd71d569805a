"""The cut between the two classes: counts of scores by bin, and the cut that is best for a criterion.

Scores lie in bins that are finest around the natural cut 0, whatever their range: with x = score / (1 + |score|) in
(-1, 1), all bins are equally wide in x. Counts of several batches or hosts add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sagecask_vectors.linear_learner.hyperparameters import Criterion, LinearLearnerHyperparameters


@dataclass(frozen=True, slots=True)
class Aim:
    """What a cut is to be best at."""

    criterion: Criterion
    beta: float = 1.0
    target_precision: float = 0.8
    target_recall: float = 0.8

    @classmethod
    def of(cls, given: LinearLearnerHyperparameters) -> Aim:
        """Return what the hyperparameters ask for."""
        criterion = given.binary_classifier_model_selection_criteria
        return cls(criterion, given.f_beta, given.target_precision, given.target_recall)


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Every cut between bins, of which cut i predicts class 1 from bin i on.

    right, wrong : (..., n_bins + 1) float64, rows of class 1 and of class 0 that are predicted as class 1
    positives, negatives : (..., 1), all rows of either class
    """

    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Cuts:
        """Count what lies above each cut; counts : (..., 2, n_bins), class 0 first."""
        above = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
        above[..., :-1] = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
        return cls(above[..., 1, :], above[..., 0, :], above[..., 1, :1], above[..., 0, :1])

    @property
    def precision(self) -> NDArray[np.float64]:
        """1 where nothing is predicted as class 1, which is no mistake."""
        predicted = self.right + self.wrong
        return np.divide(self.right, predicted, out=np.ones_like(predicted), where=predicted > 0)

    @property
    def recall(self) -> NDArray[np.float64]:
        return self.right / np.maximum(self.positives, 1)

    def scores(self, aim: Aim) -> NDArray[np.float64]:
        """Return what the criterion says of each cut, more being better.

        A cut that misses a target is worse than any that meets it, and the worse the further off it is.
        """
        if aim.criterion == "accuracy":
            return (self.right + self.negatives - self.wrong) / np.maximum(self.positives + self.negatives, 1)
        if aim.criterion == "f_beta":
            weight = aim.beta**2
            bottom = weight * self.positives + self.right + self.wrong
            return (1 + weight) * self.right / np.maximum(bottom, 1e-30)
        if aim.criterion == "precision_at_target_recall":
            return _held(self.precision, self.recall, aim.target_recall)
        if aim.criterion == "recall_at_target_precision":
            return _held(self.recall, np.where(self.right > 0, self.precision, 0), aim.target_precision)
        # the loss asks for no cut of its own
        natural = (self.right.shape[-1] - 1) // 2
        scores = np.zeros_like(self.right)
        scores[..., natural] = 1
        return scores

    def best(self, aim: Aim) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the best cut of each model, of equal ones that nearest to the natural one, and what it scores."""
        scores = self.scores(aim)
        best = scores.max(axis=-1, keepdims=True)
        cuts = np.arange(scores.shape[-1])
        distance = np.where(scores >= best - 1e-12, np.abs(cuts - (len(cuts) - 1) // 2), len(cuts))
        return distance.argmin(axis=-1), best[..., 0]


def _held(wanted: NDArray[np.float64], bounded: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    return np.where(bounded >= target - 1e-12, wanted, bounded - 1)


def edge(cut: int, n_bins: int) -> float:
    """Return the score at a cut, which the rows of class 1 reach."""
    x = 2 * cut / n_bins - 1
    return float(np.sign(x) * np.inf) if abs(x) == 1 else x / (1 - abs(x))
