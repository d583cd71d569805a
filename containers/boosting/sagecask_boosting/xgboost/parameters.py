"""From the job's hyperparameters to the library's parameters."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, cast

from sagecask.errors import UserError
from sagecask_boosting.xgboost.rules import GROWERS

if TYPE_CHECKING:
    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters

_log = logging.getLogger(__name__)

# read by this container, not by the library
_OURS = frozenset(
    {
        "num_round", "csv_weights", "early_stopping_rounds", "eval_metric", "save_model_on_termination",
        "use_dask_gpu_training", "_kfold", "_num_cv_round", "_tuning_objective_metric",
    }
)  # fmt: skip
# parameters of older releases: 3.x warns that they are not used
_GONE = frozenset(
    {
        "sketch_eps", "dsplit", "predictor", "lambda_bias", "deterministic_histogram", "single_precision_histogram",
        "prob_buffer_row",
    }
)  # fmt: skip
# updaters of older releases: 3.x knows no updater of these names
_GONE_UPDATERS = frozenset({"distcol", "grow_skmaker"})


def library_parameters(given: XGBoostHyperparameters, gpus: int) -> dict[str, object]:
    """Return the parameters of `xgboost.train`: those that the job gave, so that the library's defaults rule.

    Parameters
    ----------
    gpus : number of GPUs of this machine

    Raises
    ------
    UserError : the GPU is asked for and cannot be used
    """
    names = given.given - _OURS - _GONE
    gone = sorted(given.given & _GONE)
    parameters = {name: given.public(name) for name in sorted(names)}
    if not given.objective.startswith("multi:") and parameters.pop("num_class", None) is not None:
        # the library takes it for the number of outputs and fails
        gone.append("num_class")
    if given.objective == "reg:linear":
        parameters["objective"] = "reg:squarederror"
    if given.monotone_constraints is not None:
        parameters["monotone_constraints"] = str(given.monotone_constraints)
    if given.interaction_constraints is not None:
        parameters["interaction_constraints"] = json.dumps(given.interaction_constraints)
    gone += _set_updater(parameters, given)
    if given.tree_method == "gpu_hist" or given.use_dask_gpu_training == "true":
        parameters |= _gpu(gpus)
    if gone:
        _log.info("accepted and left out, for they have no meaning in this release or objective: %s", ", ".join(gone))
    return parameters


def _set_updater(parameters: dict[str, object], given: XGBoostHyperparameters) -> list[str]:
    """Keep the updaters that the library knows; return those that it does not."""
    if given.updater is None:
        return []
    kept = [name for name in given.updater if name not in _GONE_UPDATERS]
    if given.booster == "gblinear" or GROWERS & set(kept):
        parameters["updater"] = ",".join(kept)
        return [name for name in given.updater if name not in kept]
    # nothing left that grows a tree: tree_method decides
    del parameters["updater"]
    return list(given.updater)


def _gpu(gpus: int) -> dict[str, object]:
    import xgboost as xgb  # noqa: PLC0415 - costs a second

    if not gpus:
        raise UserError('xgboost: hyperparameter "tree_method" may be gpu_hist on a machine with a GPU; got no GPU')
    if not cast("dict[str, object]", xgb.build_info()).get("USE_CUDA"):
        raise UserError(
            'xgboost: hyperparameter "tree_method" may be gpu_hist in the GPU image; '
            "got the CPU image, whose XGBoost is built without CUDA"
        )
    if gpus > 1:
        _log.warning("one of %d GPUs is used", gpus)
    return {"tree_method": "hist", "device": "cuda"}


def check_gpu_training(given: XGBoostHyperparameters, gpus: int, content_type: str) -> None:
    """Check what use_dask_gpu_training needs.

    Raises
    ------
    UserError : with every broken condition
    """
    if given.use_dask_gpu_training != "true":
        return
    faults = []
    if given.tree_method not in {"gpu_hist", "hist"}:
        faults.append(f"tree_method gpu_hist or hist; got {given.tree_method}")
    if not gpus:
        faults.append("at least one GPU; got none")
    if content_type not in {"text/csv", "csv", "application/x-parquet", "parquet"}:
        faults.append(f"a train channel of CSV or Parquet; got {content_type}")
    if faults:
        raise UserError("\n".join(f'xgboost: hyperparameter "use_dask_gpu_training" needs {fault}' for fault in faults))
