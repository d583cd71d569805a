"""Which metrics a job logs: the library's own, and those that this container computes by scikit-learn's definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask import metrics
from sagecask.errors import UserError
from sagecask_boosting.xgboost.rules import metric_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import xgboost as xgb
    from numpy.typing import NDArray

    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

    Function = Callable[[NDArray[np.float32], NDArray[np.float32]], float]

OF_CLASSES: Mapping[str, Function] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    # the original averages over classes under this name
    "f1": metrics.f1_macro,
    "f1_binary": metrics.f1_binary,
    "f1_macro": metrics.f1_macro,
    "precision": metrics.precision,
    "precision_macro": metrics.precision_macro,
    "precision_micro": metrics.precision_micro,
    "recall": metrics.recall,
    "recall_macro": metrics.recall_macro,
    "recall_micro": metrics.recall_micro,
}
OF_NUMBERS: Mapping[str, Function] = {
    "mae": metrics.mae,
    "mse": metrics.mse,
    "r2": metrics.r2,
    "rmse": metrics.rmse,
}
OF_TWO_CLASSES = frozenset({"f1_binary", "precision", "recall"})

_CLASSIFICATION = ("binary:", "multi:", "reg:logistic")
_RISING = ("auc", "aucpr", "map", "ndcg")
# the library's own metric of these objectives has the name of one of ours
_SAME_DEFAULT = {"reg:squarederror": "rmse", "reg:linear": "rmse", "reg:logistic": "rmse", "reg:absoluteerror": "mae"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is logged each round, and what early stopping watches.

    library : names for `eval_metric`, sorted; empty leaves the objective's own metric
    own : names computed here, sorted
    watched : the metric of early stopping, None without one
    objective : the job's objective
    default_metric : whether the library's own metric for the objective is logged where `library` is empty
    """

    library: tuple[str, ...]
    own: tuple[str, ...]
    watched: str | None
    objective: str
    default_metric: bool

    @classmethod
    def of(cls, given: XGBoostHyperparameters) -> Evaluation:
        """Return what the job asks for.

        Raises
        ------
        UserError : with every metric that does not go with the objective
        """
        asked = metric_names(given)
        faults = [fault for name in dict.fromkeys(asked) for fault in _faults(name, given)]
        if faults:
            raise UserError("\n".join(f"xgboost: {fault}" for fault in faults))
        own = sorted({name for name in asked if name in OF_CLASSES or name in OF_NUMBERS})
        return cls(
            library=tuple(sorted(_with_power(name, given) for name in set(asked) - set(own))),
            own=tuple(own),
            watched=asked[-1] if asked else None,
            objective=given.objective,
            default_metric=_SAME_DEFAULT.get(given.objective) not in own,
        )

    def parameters(self) -> dict[str, object]:
        """Return the library's parameters for this."""
        if self.library:
            return {"eval_metric": list(self.library)}
        return {} if self.default_metric else {"disable_default_eval_metric": True}

    def custom_metric(self, predictions: NDArray[np.float32], data: xgb.DMatrix) -> list[tuple[str, float]]:
        """Return the metrics computed here, in the form that `xgboost.train` takes.

        predictions : (n_rows,) or (n_rows, n_classes), as the objective answers requests
        """
        labels = data.get_label()
        values = []
        for name in self.own:
            if name in OF_NUMBERS:
                values.append((name, OF_NUMBERS[name](labels, predictions)))
            else:
                values.append((name, OF_CLASSES[name](labels, predicted_classes(self.objective, predictions))))
        return values


def shown(name: str) -> str:
    """Return the name of a metric in the log; the platform's expression for Tweedie knows no power."""
    return "tweedie-nloglik" if name.startswith("tweedie-nloglik@") else name


def rises(name: str) -> bool:
    """Tell whether a higher value of a metric is better."""
    return name in OF_CLASSES or name == "r2" or name.partition("@")[0] in {*_RISING, "interval-regression-accuracy"}


def predicted_classes(objective: str, predictions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return classes: the arg max of many, else 1 where the probability is above 0.5.

    predictions : (n_rows,) or (n_rows, n_classes), as the objective answers requests
    """
    if predictions.ndim == 2:
        best: NDArray[np.float32] = np.argmax(predictions, axis=1).astype(np.float32)
        return best
    if objective in {"multi:softmax", "binary:hinge"}:
        return predictions
    threshold = 0.0 if objective == "binary:logitraw" else 0.5
    return (predictions > threshold).astype(np.float32)


def _with_power(name: str, given: XGBoostHyperparameters) -> str:
    """Add the power that the library wants in the name of Tweedie's likelihood."""
    return f"{name}@{given.tweedie_variance_power}" if name == "tweedie-nloglik" else name


def _faults(name: str, given: XGBoostHyperparameters) -> list[str]:
    objective = given.objective
    many = objective.startswith("multi:")
    got = f'got objective "{objective}"'
    if name in OF_CLASSES and not objective.startswith(_CLASSIFICATION):
        return [f'metric "{name}" needs an objective of binary:*, multi:* or reg:logistic; {got}']
    if name in OF_TWO_CLASSES and many and (given.num_class or 2) > 2:
        return [f'metric "{name}" needs two classes; got num_class {given.num_class}']
    if name in {"merror", "mlogloss"} and not many:
        return [f'metric "{name}" needs an objective of multi:*; {got}']
    # of the library's metrics only those above and auc take a row with several outputs
    if many and name not in OF_CLASSES and name not in {"merror", "mlogloss", "aucpr"}:
        return [f'metric "{name}" needs an objective with one output a row; {got}']
    if name.startswith(("ndcg@", "map@")) and not _whole(name.partition("@")[2]):
        return [f'metric "{name}" needs a whole number of at least 1 after the @; got "{name.partition("@")[2]}"']
    return []


def _whole(text: str) -> bool:
    # a trailing minus scores groups without relevant rows as 0
    digits = text.removesuffix("-")
    return digits.isdigit() and int(digits) >= 1
