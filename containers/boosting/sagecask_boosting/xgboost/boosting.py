"""Boosting of one model: rounds logged, checkpoints written, stopped early or on request, resumed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import xgboost as xgb

from sagecask.errors import AlgorithmError
from sagecask_boosting.xgboost.evaluation import Evaluation, rises, shown
from sagecask_boosting.xgboost.loading import reason, whole
from sagecask_boosting.xgboost.parameters import library_parameters
from sagecask_boosting.xgboost.stopping import EarlyStopping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sagecask.algorithm import Job
    from sagecask.checkpoints import Checkpoints
    from sagecask.report import Report
    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Boosting:
    """What every model of a job has in common.

    parameters : what the library gets
    after_round : called with the booster after each round
    """

    given: XGBoostHyperparameters
    parameters: Mapping[str, object]
    evaluation: Evaluation
    report: Report
    stop_requested: Callable[[], bool]
    after_round: Callable[[xgb.Booster], None]

    @classmethod
    def of(cls, job: Job[XGBoostHyperparameters], after_round: Callable[[xgb.Booster], None]) -> Boosting:
        """Prepare what `job` asks for.

        Raises
        ------
        UserError : metrics do not go with the objective, or there is no GPU
        """
        given = job.hyperparameters
        evaluation = Evaluation.of(given)
        parameters = library_parameters(given, job.gpus) | evaluation.parameters()
        return cls(given, parameters, evaluation, job.report, job.stop_requested, after_round)

    def train(
        self, train: xgb.DMatrix, validation: xgb.DMatrix | None, checkpoints: Checkpoints
    ) -> tuple[xgb.Booster, dict[str, float]]:
        """Boost up to num_round rounds, on from the newest checkpoint; return the model and the last round's values.

        Raises
        ------
        AlgorithmError : the library failed
        ModelDataError : the newest checkpoint is no model
        """
        evals = [(train, "train")] + ([(validation, "validation")] if validation is not None else [])
        stopping = self._stopping(checkpoints) if validation is not None else None
        done, booster = _resume(checkpoints, self.parameters, stopping)
        watch = _Watch(self, checkpoints, stopping, done)
        if booster is not None and (
            done >= self.given.num_round or (stopping and stopping.exhausted(booster, done - 1))
        ):
            return (stopping.cut(booster) if stopping else booster), self._values(booster, evals)
        try:
            booster = xgb.train(
                dict(self.parameters),
                train,
                self.given.num_round - done,
                evals=evals,
                custom_metric=self.evaluation.custom_metric if self.evaluation.own else None,
                xgb_model=booster,
                callbacks=[watch],
                verbose_eval=False,
            )
        except xgb.core.XGBoostError as error:
            raise AlgorithmError(f"xgboost: training failed; got {reason(error)}") from error
        return (stopping.cut(booster) if stopping else booster), watch.values

    def _stopping(self, checkpoints: Checkpoints) -> EarlyStopping | None:
        patience, watched = self.given.early_stopping_rounds, self.evaluation.watched
        if patience is None or watched is None:
            return None
        plain_trees = self.given.booster == "gbtree"
        kept = None if plain_trees else replace(checkpoints, prefix="xgboost-best", keep=1)
        return EarlyStopping(f"validation-{shown(watched)}", rises=rises(watched), patience=patience, kept=kept)

    def _values(self, booster: xgb.Booster, evals: list[tuple[xgb.DMatrix, str]]) -> dict[str, float]:
        """Return the metrics of a model that needs no further round."""
        own = self.evaluation.custom_metric if self.evaluation.own else None
        # a list of values is taken here as by train; the annotation of the library knows one alone
        text = booster.eval_set(evals, 0, cast("Any", own), output_margin=False)
        pairs = (part.rpartition(":") for part in text.split("\t")[1:])
        return {_shown_key(name): float(value) for name, _, value in pairs}


class _Watch(xgb.callback.TrainingCallback):
    """What happens after each round.

    values : metrics of the last round, `train-rmse` and the like
    """

    def __init__(
        self, boosting: Boosting, checkpoints: Checkpoints, stopping: EarlyStopping | None, first: int
    ) -> None:
        super().__init__()
        self.values: dict[str, float] = {}
        self._boosting = boosting
        self._checkpoints = checkpoints
        self._stopping = stopping
        self._first = first

    def after_iteration(
        self, model: xgb.Booster, epoch: int, evals_log: xgb.callback.TrainingCallback.EvalsLog
    ) -> bool:
        index = self._first + epoch
        self.values = {
            f"{data}-{shown(metric)}": cast("float", history[-1])
            for data, metrics in evals_log.items()
            for metric, history in metrics.items()
        }
        self._boosting.report.round(index, self.values)
        stopping = self._stopping
        stop = stopping is not None and stopping.update(model, index, self.values[stopping.metric])
        self._checkpoints.save(index, lambda path: _write(model, path))
        self._boosting.after_round(model)
        return stop or self._boosting.stop_requested()


def _resume(
    checkpoints: Checkpoints, parameters: Mapping[str, object], stopping: EarlyStopping | None
) -> tuple[int, xgb.Booster | None]:
    """Return the rounds that are done and the booster after them.

    Raises
    ------
    ModelDataError : the newest checkpoint is no model
    """
    latest = checkpoints.latest()
    if latest is None:
        return 0, None
    step, path = latest
    booster = whole(path, parameters)
    if stopping is not None:
        stopping.resume()
    _log.info("resuming from checkpoint %s: %d rounds are done", path.name, step + 1)
    return step + 1, booster


def _write(booster: xgb.Booster, path: Path) -> None:
    path.write_bytes(booster.save_raw("ubj"))


def _shown_key(name: str) -> str:
    data, _, metric = name.partition("-")
    return f"{data}-{shown(metric)}"
