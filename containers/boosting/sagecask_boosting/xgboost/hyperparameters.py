"""The hyperparameters of XGBoost (xgboost_hyperparameters.md, xgboost-tuning.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sagecask.hyperparameters import Hyperparameters, Json, hyperparameter, when
from sagecask_boosting.xgboost import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

Flag = Literal["true", "false"]

Objective = Literal[
    "reg:squarederror", "reg:linear", "reg:logistic", "reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror",
    "reg:absoluteerror", "reg:tweedie", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson",
    "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "survival:aft", "survival:cox",
]  # fmt: skip

EVAL_METRICS = (
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision", "r2",
    "recall", "precision_macro", "precision_micro", "recall_macro", "recall_micro", "aft-nloglik", "cox-nloglik",
    "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy", "logloss", "mae", "mape", "merror",
    "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik", "error@t", "ndcg@n", "map@n",
)  # fmt: skip

TuningMetric = Literal[
    "validation:accuracy", "validation:auc", "validation:aucpr", "validation:balanced_accuracy", "validation:f1",
    "validation:f1_binary", "validation:f1_macro", "validation:map", "validation:ndcg", "validation:precision",
    "validation:r2", "validation:recall", "validation:precision_macro", "validation:precision_micro",
    "validation:recall_macro", "validation:recall_micro", "validation:aft-nloglik", "validation:cox-nloglik",
    "validation:error", "validation:gamma-deviance", "validation:gamma-nloglik",
    "validation:interval-regression-accuracy", "validation:logloss", "validation:mae", "validation:mape",
    "validation:merror", "validation:mlogloss", "validation:mphe", "validation:mse", "validation:poisson-nloglik",
    "validation:rmse", "validation:rmsle", "validation:tweedie-nloglik",
]  # fmt: skip

UPDATERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker", "sync", "refresh", "prune", "shotgun",
    "coord_descent",
)  # fmt: skip

_DART = "booster is dart (upstream XGBoost)"
_AFT = "objective is survival:aft"


class XGBoostHyperparameters(Hyperparameters):
    """What a training job may set; what it leaves out is left to the library, whose defaults these are."""

    num_round: int = hyperparameter(minimum=1, meaning="number of boosting rounds")
    num_class: int | None = hyperparameter(
        None,
        minimum=2,
        required_when=when("objective", "multi:softmax", "multi:softprob"),
        meaning="number of classes",
    )
    objective: Objective = hyperparameter(
        "reg:squarederror", meaning="learning task and loss; reg:linear is an old spelling of reg:squarederror"
    )
    eval_metric: tuple[str, ...] | None = hyperparameter(
        None,
        values=EVAL_METRICS,
        meaning="comma-separated metrics logged each round; the objective's own when not given",
    )
    csv_weights: int = hyperparameter(
        0,
        minimum=0,
        maximum=1,
        applies_when="the training content type is CSV",
        meaning="1 makes the second CSV column the row weight",
    )
    early_stopping_rounds: int | None = hyperparameter(
        None,
        minimum=1,
        applies_when="there is validation data and eval_metric or _tuning_objective_metric is given",
        meaning="stop when the watched validation metric has not improved for this many rounds; the best round is kept",
    )
    booster: Literal["gbtree", "gblinear", "dart"] = hyperparameter(
        "gbtree", meaning="tree boosting, linear boosting or tree boosting with dropout"
    )
    verbosity: int = hyperparameter(1, minimum=0, maximum=3, meaning="0 silent, 1 warnings, 2 info, 3 debug")
    nthread: int | None = hyperparameter(None, minimum=1, meaning="threads used in training; all when not given")
    eta: float = hyperparameter(0.3, minimum=0, maximum=1, aliases=("learning_rate",), meaning="step size shrinkage")
    gamma: float = hyperparameter(
        0, minimum=0, aliases=("min_split_loss",), meaning="least loss reduction that justifies a split"
    )
    max_depth: int = hyperparameter(
        6, minimum=0, meaning="greatest tree depth, 0 means no limit; tree_method exact needs one"
    )
    min_child_weight: float = hyperparameter(1, minimum=0, meaning="least sum of instance hessian in a child")
    max_delta_step: float = hyperparameter(0, minimum=0, meaning="greatest step of a leaf weight, 0 means no bound")
    subsample: float = hyperparameter(1, above=0, maximum=1, meaning="share of rows drawn per round")
    colsample_bytree: float = hyperparameter(1, above=0, maximum=1, meaning="share of columns drawn per tree")
    colsample_bylevel: float = hyperparameter(1, above=0, maximum=1, meaning="share of columns drawn per level")
    colsample_bynode: float = hyperparameter(1, above=0, maximum=1, meaning="share of columns drawn per node")
    lambda_: float = hyperparameter(
        1, name="lambda", minimum=0, aliases=("reg_lambda",), meaning="L2 penalty on weights"
    )
    alpha: float = hyperparameter(0, minimum=0, aliases=("reg_alpha",), meaning="L1 penalty on weights")
    tree_method: Literal["auto", "exact", "approx", "hist", "gpu_hist"] = hyperparameter(
        "auto", auto=True, meaning="how trees are built; gpu_hist selects the GPU"
    )
    sketch_eps: float = hyperparameter(
        0.03,
        above=0,
        below=1,
        applies_when="tree_method is approx",
        meaning="precision of the quantile sketch; without effect in XGBoost 3",
    )
    scale_pos_weight: float = hyperparameter(1, above=0, meaning="weight of the positive class against the negative")
    updater: tuple[str, ...] | None = hyperparameter(
        None,
        values=UPDATERS,
        default_text="grow_colmaker,prune",
        meaning="comma-separated tree updaters in order, at most one that grows trees; with booster gblinear exactly "
        "one of shotgun or coord_descent; with process_type update only refresh and prune; when not given, "
        "tree_method decides",
    )
    dsplit: Literal["row", "col"] | None = hyperparameter(
        None, meaning="split of data by row or by column; without effect in XGBoost 3"
    )
    refresh_leaf: int = hyperparameter(
        1,
        minimum=0,
        maximum=1,
        applies_when="updater contains refresh",
        meaning="1 refreshes leaves and node statistics, 0 the statistics alone",
    )
    process_type: Literal["default", "update"] = hyperparameter(
        "default", meaning="build new trees or update existing ones"
    )
    grow_policy: Literal["depthwise", "lossguide"] = hyperparameter(
        "depthwise",
        applies_when="tree_method is hist",
        meaning="grow level by level or at the leaf with the highest loss change",
    )
    max_leaves: int = hyperparameter(
        0,
        minimum=0,
        applies_when="grow_policy is lossguide",
        meaning="greatest number of leaves, 0 means no limit",
    )
    max_bin: int = hyperparameter(
        256,
        minimum=0,
        applies_when="tree_method is hist",
        meaning="greatest number of histogram bins for a continuous feature; XGBoost needs at least 2",
    )
    predictor: Literal["auto", "cpu_predictor", "gpu_predictor"] | None = hyperparameter(
        None, meaning="device used for prediction inside training; without effect in XGBoost 3"
    )
    monotone_constraints: tuple[int, ...] | None = hyperparameter(
        None,
        values=(-1, 0, 1),
        default_text="(0, 0)",
        applies_when="tree_method is given as exact or hist",
        meaning="tuple text such as (0, 1), one entry per feature: -1 falling, 0 free, 1 rising",
    )
    interaction_constraints: Json | None = hyperparameter(
        None,
        minimum=1,
        applies_when="tree_method is given as exact, hist or approx",
        meaning="nested list of feature numbers that may interact, such as [[1,2],[3,4,5]]; numbers count from zero, "
        "and 0 is taken too",
    )
    sample_type: Literal["uniform", "weighted"] = hyperparameter(
        "uniform", applies_when=_DART, meaning="how dropped trees are drawn"
    )
    normalize_type: Literal["tree", "forest"] = hyperparameter(
        "tree", applies_when=_DART, meaning="how new trees are normalised after dropout"
    )
    rate_drop: float = hyperparameter(
        0.0, minimum=0, maximum=1, applies_when=_DART, meaning="share of earlier trees dropped"
    )
    one_drop: int = hyperparameter(
        0, minimum=0, maximum=1, applies_when=_DART, meaning="1 drops at least one tree each time"
    )
    skip_drop: float = hyperparameter(
        0.0, minimum=0, maximum=1, applies_when=_DART, meaning="chance that a round skips dropout"
    )
    lambda_bias: float = hyperparameter(
        0,
        minimum=0,
        maximum=1,
        applies_when="booster is gblinear (upstream XGBoost)",
        meaning="L2 penalty on the bias; without effect in XGBoost 3",
    )
    tweedie_variance_power: float = hyperparameter(
        1.5,
        above=1,
        below=2,
        applies_when="objective is reg:tweedie",
        meaning="variance power of the Tweedie distribution",
    )
    base_score: float = hyperparameter(
        0.5, minimum=0, meaning="starting prediction of every row; estimated from the labels when not given"
    )
    seed: int = hyperparameter(0, above=-(2**31), below=2**31 - 1, meaning="random seed")
    num_parallel_tree: int | None = hyperparameter(None, minimum=1, meaning="trees grown per round")
    aft_loss_distribution: Literal["normal", "logistic", "extreme"] | None = hyperparameter(
        None, applies_when=_AFT, meaning="noise distribution of the accelerated failure time model"
    )
    aft_loss_distribution_scale: float | None = hyperparameter(
        None, minimum=0, applies_when=_AFT, meaning="scale of that distribution"
    )
    deterministic_histogram: Flag = hyperparameter(
        "true",
        applies_when="tree_method is gpu_hist",
        meaning="build GPU histograms in a repeatable order; XGBoost 3 always does",
    )
    single_precision_histogram: Flag = hyperparameter(
        "false",
        applies_when="tree_method is hist or gpu_hist",
        meaning="build histograms in single precision; without effect in XGBoost 3",
    )
    sampling_method: Literal["uniform", "gradient_based"] | None = hyperparameter(
        None, meaning="how rows are drawn for subsample"
    )
    prob_buffer_row: int | None = hyperparameter(None, above=1, meaning="without effect in XGBoost 3")
    save_model_on_termination: Flag = hyperparameter(
        "false", meaning="write the model after every round so that a stop signal leaves a usable model"
    )
    use_dask_gpu_training: Flag = hyperparameter(
        "false", applies_when="GPU machines", meaning="train on every GPU of every host"
    )
    kfold: int | None = hyperparameter(
        None,
        name="_kfold",
        minimum=2,
        meaning="cross validation over train and validation data put together; one model per fold",
    )
    num_cv_round: int = hyperparameter(
        1, name="_num_cv_round", minimum=1, applies_when="_kfold is given", meaning="repeats of the cross validation"
    )
    tuning_objective_metric: TuningMetric | None = hyperparameter(
        None,
        name="_tuning_objective_metric",
        meaning="set by the tuning service; adds the tuned metric to the logged ones and steers early stopping",
    )

    def faults(self) -> Iterator[str]:
        yield from rules.faults(self)
