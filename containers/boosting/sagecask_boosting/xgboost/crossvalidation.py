"""Cross validation: one model a fold, and the predictions that each row got while it was held out."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import DataError
from sagecask_boosting.xgboost.data import matrix, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xgboost as xgb
    from numpy.typing import NDArray

    from sagecask.checkpoints import Checkpoints
    from sagecask.formats import Batch
    from sagecask_boosting.xgboost.boosting import Boosting

_log = logging.getLogger(__name__)


def cross_validate(
    boosting: Boosting, batch: Batch, checkpoints: Checkpoints, output_data: Path, boosters: list[xgb.Booster]
) -> None:
    """Train a model for each fold of each repeat and append it to `boosters`.

    Each fold logs its own training part as `train` and its held-out part as `validation`. After each repeat a line
    gives the mean of every metric over its folds. `predictions.csv` is written at the end.

    Raises
    ------
    DataError : fewer rows than folds
    """
    given = boosting.given
    folds, repeats = given.kfold or 2, given.num_cv_round
    if len(batch) < folds:
        raise DataError(
            f"channels train and validation together: at least {folds} rows for {folds} folds; got {len(batch)}"
        )
    classes = given.objective.startswith("binary:") or given.num_class is not None
    heldout = HeldOut(batch.labels, given.objective)
    for repeat in range(repeats):
        values: list[dict[str, float]] = []
        for train, test in split(len(batch), folds, (given.seed, repeat), batch.labels if classes else None):
            held = matrix(rows(batch, test), given)
            here = checkpoints.within(f"model-{len(boosters)}")
            booster, last = boosting.train(matrix(rows(batch, train), given), held, here)
            boosters.append(booster)
            values.append(last)
            heldout.add(test, booster, held)
            if boosting.stop_requested():
                _log.info("stopped on request after %d of %d models", len(boosters), folds * repeats)
                return
        boosting.report.round(given.num_round, _means(values))
    heldout.write(output_data / "predictions.csv")


def split(
    count: int, folds: int, seed: tuple[int, int], labels: NDArray[np.float32] | None = None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows in and out of each fold, both in rising order.

    Parameters
    ----------
    count : number of rows
    seed : what the shuffle depends on; two numbers, any sign
    labels : (count,), classes that every fold holds in like shares; None shuffles alone
    """
    order = np.random.default_rng([number & 0xFFFFFFFF for number in seed]).permutation(count)
    if labels is not None:
        # a stable sort by class of the shuffled rows, dealt in turn, spreads each class over the folds
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(count, dtype=np.intp)
    fold[order] = np.arange(count) % folds
    for index in range(folds):
        yield np.flatnonzero(fold != index), np.flatnonzero(fold == index)


@dataclass(slots=True, eq=False)
class HeldOut:
    """What rows got while they were held out; `scores` and `classes` hold (index, values) a fold."""

    labels: NDArray[np.float32] | None
    objective: str
    scores: list[tuple[NDArray[np.intp], NDArray[np.float32]]] = field(default_factory=list)
    classes: list[tuple[NDArray[np.intp], NDArray[np.int64]]] = field(default_factory=list)

    def add(self, index: NDArray[np.intp], booster: xgb.Booster, data: xgb.DMatrix) -> None:
        """Predict the rows of one fold."""
        if not self.objective.startswith(("binary:", "multi:")):
            self.scores.append((index, booster.predict(data)))
            return
        margin = booster.predict(data, output_margin=True)
        if margin.ndim == 1:
            probability = (margin > 0).astype(np.float32) if self.objective == "binary:hinge" else _sigmoid(margin)
            self.scores.append((index, probability))
            self.classes.append((index, (margin > 0).astype(np.int64)))
            return
        power = np.exp(margin - margin.max(axis=1, keepdims=True))
        self.scores.append((index, (power / power.sum(axis=1, keepdims=True)).max(axis=1)))
        self.classes.append((index, margin.argmax(axis=1)))

    def write(self, path: Path) -> None:
        """Write a line a row: label, mean score, and for classes the most frequent one (the lowest of several)."""
        assert self.labels is not None
        columns: list[NDArray[Any]] = [self.labels.astype(np.float64), self._mean()]
        if self.classes:
            columns.append(self._mode())
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(zip(*(column.tolist() for column in columns), strict=True))

    def _mean(self) -> NDArray[np.float64]:
        assert self.labels is not None
        total, count = np.zeros(len(self.labels)), np.zeros(len(self.labels))
        for index, score in self.scores:
            total[index] += score
            count[index] += 1
        return total / count

    def _mode(self) -> NDArray[np.int64]:
        assert self.labels is not None
        votes = np.zeros((len(self.labels), 1 + max(int(classes.max()) for _, classes in self.classes)))
        for index, classes in self.classes:
            votes[index, classes] += 1
        winners: NDArray[np.int64] = np.argmax(votes, axis=1)
        return winners


def _sigmoid(margin: NDArray[np.float32]) -> NDArray[np.float32]:
    # exp of a large negative margin overflows to infinity, whose reciprocal is the right 0
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-margin))).astype(np.float32)


def _means(values: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in values])) for name in values[0]}
