"""What must hold between hyperparameters of XGBoost, beyond the range of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

GROWERS = frozenset({"grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker"})
LINEAR = frozenset({"shotgun", "coord_descent"})
UPDATING = frozenset({"refresh", "prune"})


def faults(given: XGBoostHyperparameters) -> Iterator[str]:
    """Yield every fault as *what must hold; got what*."""
    yield from _metrics(given)
    yield from _constraints(given)
    yield from _updater(given)


def metric_names(given: XGBoostHyperparameters) -> tuple[str, ...]:
    """Return the metrics that the job asks for: those of eval_metric as written, then the tuned one."""
    tuned = (given.tuning_objective_metric or "").removeprefix("validation:")
    return (*(given.eval_metric or ()), *((tuned,) if tuned else ()))


def _metrics(given: XGBoostHyperparameters) -> Iterator[str]:
    asked = metric_names(given)
    if "auc" in asked and not given.objective.startswith(("binary:", "rank:")):
        yield f'metric "auc" needs an objective of binary:* or rank:*; got objective "{given.objective}"'
    for metric in ("aft-nloglik", "interval-regression-accuracy"):
        if metric in asked and given.objective != "survival:aft":
            yield f'metric "{metric}" needs objective survival:aft; got objective "{given.objective}"'


def _constraints(given: XGBoostHyperparameters) -> Iterator[str]:
    for name, methods in (
        ("monotone_constraints", ("exact", "hist")),
        ("interaction_constraints", ("exact", "hist", "approx")),
    ):
        # gpu_hist is hist on a GPU
        method = given.tree_method.removeprefix("gpu_")
        if given.public(name) is not None and method not in methods:
            yield f'hyperparameter "{name}" needs tree_method {" or ".join(methods)}; got "{given.tree_method}"'
    groups = given.interaction_constraints
    if groups is not None and not _nested_numbers(groups):
        expected = "a list of lists of feature numbers"
        yield f'hyperparameter "interaction_constraints" must be {expected}; got "{groups}"'


def _nested_numbers(groups: object) -> bool:
    return isinstance(groups, list | tuple) and all(
        isinstance(group, list | tuple) and all(type(number) is int and number >= 0 for number in group)
        for group in groups
    )


def _updater(given: XGBoostHyperparameters) -> Iterator[str]:
    if given.updater is None:
        return
    text = ",".join(given.updater)
    if given.booster == "gblinear":
        if len(given.updater) != 1 or given.updater[0] not in LINEAR:
            yield (
                'hyperparameter "updater" must be exactly one of shotgun, coord_descent with booster gblinear; '
                f'got "{text}"'
            )
        return
    if LINEAR & set(given.updater):
        yield f'hyperparameter "updater" must name tree updaters with booster {given.booster}; got "{text}"'
    if given.process_type == "update" and not set(given.updater) <= UPDATING:
        yield f'hyperparameter "updater" must hold only refresh and prune with process_type update; got "{text}"'
    growing = [name for name in given.updater if name in GROWERS]
    if len(growing) > 1:
        yield f'hyperparameter "updater" must hold at most one that grows trees; got "{text}"'
