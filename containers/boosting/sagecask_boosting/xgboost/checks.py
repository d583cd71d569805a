"""What labels, weights and base score must be for an objective, checked before the library sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError, UserError
from sagecask_boosting.xgboost.rules import UPDATING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sagecask.formats import Batch
    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

    Labels = NDArray[np.float32]

_LOGISTIC = frozenset({"reg:logistic", "binary:logistic", "binary:logitraw"})
# the largest label whose gain 2^label - 1 the library computes
_MAX_RELEVANCE = 31


def check_batch(channel: str, batch: Batch, given: XGBoostHyperparameters) -> None:
    """Check the rows of a channel.

    Raises
    ------
    DataError : a label is missing, not finite or outside what the objective takes; a weight is negative or not
        finite; a feature is infinite
    """
    where = f'channel "{channel}"'
    labels = batch.labels
    if labels is None or not len(labels):
        raise DataError(f"{where}: a label in every row; got none")
    _refuse(~np.isfinite(labels), labels, where, "finite labels")
    values = batch.features if isinstance(batch.features, np.ndarray) else batch.features.data
    if np.isinf(values).any():
        raise DataError(f"{where}: finite features, or none where a value is missing; got infinity")
    if batch.weights is not None:
        outside = ~np.isfinite(batch.weights) | (batch.weights < 0)
        _refuse(outside, batch.weights, where, "finite weights of at least 0")
        if not batch.weights.any():
            raise DataError(f"{where}: a weight above 0; got 0 in every row")
    what, outside_domain = _domain(given)
    _refuse(outside_domain(labels), labels, where, f"{what} with objective {given.objective}")


def check_training_labels(labels: Labels, objective: str) -> None:
    """Check what the rows to learn from must hold as a whole.

    Raises
    ------
    DataError : there is no count, amount or event above 0, where the library would learn NaN
    """
    if objective in {"count:poisson", "reg:tweedie", "survival:cox"} and labels.max() <= 0:
        raise DataError(f'channel "train": a label above 0 with objective {objective}; got none')


def check_metrics(channel: str, labels: Labels, asked: tuple[str, ...], objective: str) -> None:
    """Check what single metrics need of the labels.

    Raises
    ------
    DataError : auc has rows of one class only, or a metric of classes, map or ndcg has labels that are none
    """
    where = f'channel "{channel}"'
    binary = objective.startswith("binary:")
    if binary and {"auc", "aucpr"} & set(asked) and len(np.unique(labels > 0.5)) < 2:
        raise DataError(f"{where}: rows of both classes for metric auc or aucpr; got one class")
    names = {name.partition("@")[0] for name in asked}
    for metric, what, outside in (
        ("map", "labels 0 and 1", ~np.isin(labels, (0, 1))),
        ("ndcg", f"whole labels from 0 to {_MAX_RELEVANCE}", _not_relevance(labels)),
    ):
        if metric in names:
            _refuse(outside, labels, where, f'{what} for metric "{metric}"')


def check_class_labels(channel: str, labels: Labels) -> None:
    """Check that labels are classes, which metrics of classes need.

    Raises
    ------
    DataError : a label is no whole number
    """
    _refuse(labels != np.floor(labels), labels, f'channel "{channel}"', "whole labels for metrics of classes")


def check_settings(given: XGBoostHyperparameters, width: int) -> None:
    """Check what the library needs of hyperparameters beyond their documented ranges.

    Parameters
    ----------
    width : features of a training row

    Raises
    ------
    UserError : with every fault
    """
    faults = []
    if "max_bin" in given.given and given.max_bin < 2:
        faults.append(f'hyperparameter "max_bin" must be at least 2; got {given.max_bin}')
    if given.tree_method == "exact" and given.max_depth == 0:
        faults.append('hyperparameter "max_depth" must be at least 1 with tree_method exact; got 0')
    constrained = given.monotone_constraints or ()
    if len(constrained) > width:
        faults.append(
            f'hyperparameter "monotone_constraints" must have at most one entry per feature ({width}); '
            f"got {len(constrained)}"
        )
    if given.aft_loss_distribution_scale == 0:
        faults.append('hyperparameter "aft_loss_distribution_scale" must be above 0; got 0')
    if given.process_type == "update":
        faults.append(
            'hyperparameter "process_type" must be default, for a job brings no trees to update; got "update"'
        )
    updaters = given.updater or ()
    if given.process_type == "default" and updaters and updaters[0] in UPDATING:
        faults.append(f'hyperparameter "updater" must begin with one that grows trees; got "{",".join(updaters)}"')
    if given.sampling_method == "gradient_based" and (given.tree_method == "exact" or "grow_colmaker" in updaters):
        faults.append(
            'hyperparameter "sampling_method" must be uniform where trees are built exactly; got "gradient_based"'
        )
    faults += _base_score(given)
    if faults:
        raise UserError("\n".join(f"xgboost: {fault}" for fault in faults))


def _base_score(given: XGBoostHyperparameters) -> list[str]:
    if "base_score" not in given.given:
        return []
    score = given.base_score
    if given.objective in _LOGISTIC - {"binary:logitraw"} and not 0 < score < 1:
        return [f'hyperparameter "base_score" must be in (0, 1) with objective {given.objective}; got {score}']
    if given.objective in {"reg:gamma", "reg:tweedie", "count:poisson", "survival:aft", "survival:cox"} and score <= 0:
        return [f'hyperparameter "base_score" must be above 0 with objective {given.objective}; got {score}']
    return []


def _domain(given: XGBoostHyperparameters) -> tuple[str, Callable[[Labels], NDArray[np.bool_]]]:
    """Return what labels must be, in words and as the function that marks those which are not."""
    objective = given.objective
    if objective in _LOGISTIC or objective == "binary:hinge":
        return "labels in [0, 1]", lambda labels: (labels < 0) | (labels > 1)
    if objective.startswith("multi:"):
        count = given.num_class or 0
        return (
            f"whole labels in [0, {count})",
            lambda labels: (labels < 0) | (labels >= count) | (labels != np.floor(labels)),
        )
    return _DOMAINS.get(objective, ("finite labels", lambda labels: np.zeros(labels.shape, bool)))


def _not_relevance(labels: Labels) -> NDArray[np.bool_]:
    outside: NDArray[np.bool_] = (labels < 0) | (labels > _MAX_RELEVANCE) | (labels != np.floor(labels))
    return outside


_DOMAINS: dict[str, tuple[str, Callable[[Labels], NDArray[np.bool_]]]] = {
    "count:poisson": ("labels of at least 0", lambda labels: labels < 0),
    "reg:tweedie": ("labels of at least 0", lambda labels: labels < 0),
    "reg:gamma": ("labels above 0", lambda labels: labels <= 0),
    "reg:squaredlogerror": ("labels above -1", lambda labels: labels <= -1),
    "rank:pairwise": (f"whole labels from 0 to {_MAX_RELEVANCE}", _not_relevance),
    "rank:ndcg": (f"whole labels from 0 to {_MAX_RELEVANCE}", _not_relevance),
    "rank:map": ("labels 0 and 1", lambda labels: ~np.isin(labels, (0, 1))),
    "survival:aft": ("labels other than 0", lambda labels: labels == 0),
}


def _refuse(outside: NDArray[np.bool_], values: NDArray[np.float32], where: str, what: str) -> None:
    if outside.any():
        row = int(outside.argmax())
        raise DataError(f"{where}, row {row + 1}: {what}; got {values[row]:g}")
