"""The public interface of XGBoost bar its hyperparameters (xgboost.md, xgboost-tuning.md, cdf-inference.md)."""

from __future__ import annotations

from typing import Literal

from sagecask.algorithm import (
    ChannelDeclaration,
    Declaration,
    Inference,
    Metric,
    MultiModelInference,
    Training,
    Tunable,
)
from sagecask.report import round_pattern

_REQUEST_TYPES = (
    "text/libsvm", "text/x-libsvm", "libsvm", "text/csv", "csv", "application/x-recordio-protobuf",
    "recordio-protobuf",
)  # fmt: skip
_TRAINING_TYPES = (
    "text/libsvm", "text/x-libsvm", "libsvm", "text/csv", "csv", "application/x-parquet", "parquet",
    "application/x-recordio-protobuf", "recordio-protobuf",
)  # fmt: skip
_LIBSVM_TYPES = ("text/libsvm", "text/x-libsvm", "libsvm")
_DISTRIBUTION = ("FullyReplicated", "ShardedByS3Key")


def _metric(name: str, direction: Literal["minimize", "maximize"], meaning: str, when: str | None = None) -> Metric:
    name = f"validation:{name}"
    return Metric(name, direction, meaning, pattern=round_pattern(name), when=when)


def _continuous(name: str, low: float, high: float) -> Tunable:
    return Tunable(name, "continuous", low, high, scaling="linear")


def _integer(name: str, low: int, high: int) -> Tunable:
    return Tunable(name, "integer", low, high, scaling="linear")


METRICS = (
    _metric("accuracy", "maximize", "share of right classes"),
    _metric("auc", "maximize", "area under the ROC curve", "objectives binary:* and rank:* only"),
    _metric("aucpr", "maximize", "area under the precision-recall curve"),
    _metric("balanced_accuracy", "maximize", "mean recall over classes"),
    _metric("f1", "maximize", "macro average of F1 over classes"),
    _metric("f1_binary", "maximize", "F1 of the positive class", "two classes only"),
    _metric("f1_macro", "maximize", "macro average of F1"),
    _metric("map", "maximize", "mean average precision", "ranking"),
    _metric("ndcg", "maximize", "normalised discounted cumulative gain", "ranking"),
    _metric("precision", "maximize", "precision of the positive class", "two classes only"),
    _metric("precision_macro", "maximize", "macro average of precision"),
    _metric("precision_micro", "maximize", "micro average of precision"),
    _metric("r2", "maximize", "coefficient of determination"),
    _metric("recall", "maximize", "recall of the positive class", "two classes only"),
    _metric("recall_macro", "maximize", "macro average of recall"),
    _metric("recall_micro", "maximize", "micro average of recall"),
    _metric("aft-nloglik", "minimize", "negative log likelihood of the AFT model", "objective survival:aft only"),
    _metric("cox-nloglik", "minimize", "negative partial log likelihood of Cox regression"),
    _metric("error", "minimize", "share of wrong binary classes"),
    _metric("gamma-deviance", "minimize", "residual deviance of gamma regression"),
    _metric("gamma-nloglik", "minimize", "negative log likelihood of gamma regression"),
    # the original registers it under minimise, and a tuning job that copies its definition must find the same
    _metric("interval-regression-accuracy", "minimize", "share of predictions inside the interval label"),
    _metric("logloss", "minimize", "negative log likelihood"),
    _metric("mae", "minimize", "mean absolute error"),
    _metric("mape", "minimize", "mean absolute percentage error"),
    _metric("merror", "minimize", "share of wrong classes among many"),
    _metric("mlogloss", "minimize", "multiclass negative log likelihood"),
    _metric("mphe", "minimize", "mean pseudo-Huber error"),
    _metric("mse", "minimize", "mean squared error"),
    _metric("poisson-nloglik", "minimize", "negative log likelihood of Poisson regression"),
    _metric("rmse", "minimize", "root mean squared error"),
    _metric("rmsle", "minimize", "root mean squared logarithmic error"),
    _metric("tweedie-nloglik", "minimize", "negative log likelihood of Tweedie regression"),
)

TUNABLE = (
    _continuous("alpha", 0, 1000),
    _continuous("colsample_bylevel", 0.1, 1),
    _continuous("colsample_bynode", 0.1, 1),
    _continuous("colsample_bytree", 0.5, 1),
    _continuous("eta", 0.1, 0.5),
    _continuous("gamma", 0, 5),
    _continuous("lambda", 0, 1000),
    _integer("max_delta_step", 0, 10),
    _integer("max_depth", 0, 10),
    _continuous("min_child_weight", 0, 120),
    _integer("num_round", 1, 4000),
    _continuous("subsample", 0.5, 1),
)

CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TRAINING_TYPES,
        default_content_type="text/libsvm",
        input_modes=("File", "Pipe"),
        file_only=_LIBSVM_TYPES,
        distribution=_DISTRIBUTION,
        layout=(
            "label in the first column, no header row; libsvm rows are label, then zero-based index:value pairs; "
            "files may lie up to three levels deep, deeper ones are left out with a warning; "
            "libsvm is for files, not Pipe"
        ),
    ),
    ChannelDeclaration(
        name="validation",
        content_types=_TRAINING_TYPES,
        default_content_type="text/libsvm",
        input_modes=("File", "Pipe"),
        file_only=_LIBSVM_TYPES,
        distribution=_DISTRIBUTION,
        layout="as train, and read with the content type of train",
        read_as="train",
    ),
    ChannelDeclaration(
        name="code",
        content_types=("text/python",),
        layout="accepted, not read",
    ),
)

INFERENCE = Inference(
    content_types=_REQUEST_TYPES,
    accept=("text/csv", "application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    default_accept="text/csv",
    default_content_type="text/libsvm",
    requests={
        "text/csv": "0.585,0.455,0.15,0.987\n0.325,,0.075,0.1495",
        "text/libsvm": "0:0.585 1:0.455 3:0.987\n0:0.325 2:0.075",
        "application/x-recordio-protobuf": "hex:0a23d7ce180000000a160a0676616c756573120c120a0a080000003f00000040",
    },
    responses={
        "text/csv": "9.024499893188477\n10.29422378540039\n",
        "application/json": '{"predictions": [{"score": 9.024499893188477}, {"score": 10.29422378540039}]}',
        "application/jsonlines": (
            '{"predicted_label": 1, "probability": 0.6}\n{"predicted_label": 0, "probability": 0.1}\n'
        ),
        "application/x-recordio-protobuf": (
            "hex:0a23d7ce1d000000121b0a0f7072656469637465645f6c6162656c120812060a040000803f000000"
        ),
    },
    malformed_status=415,
    batch_accept="text/csv",
    multi_model=MultiModelInference(
        accept=("text/csv", "application/json"),
        unacceptable_status=415,
        max_body_bytes=20 * 1024 * 1024,
        # measured at the highest while reading: 8 for UBJSON, 13 for JSON; 4 to 6 stay
        load_factor=14,
    ),
)

DECLARATION = Declaration(
    name="xgboost",
    title="XGBoost",
    family="boosting",
    learning="supervised",
    source=(
        "xgboost.md",
        "xgboost-how-to-use.md",
        "xgboost_hyperparameters.md",
        "xgboost-tuning.md",
        "xgboost-HowItWorks.md",
        "xgboost-version-0.90.md",
        "xgboost-72.md",
        "common-info-all-im-models.md",
        "cdf-inference.md",
        "model-checkpoints.md",
        "multi-model-endpoints.md",
        "automatic-model-tuning-early-stopping.md",
        "ex1-train-model.md",
        "ex1-test-model.md",
    ),
    channels=CHANNELS,
    metrics=METRICS,
    tunable=TUNABLE,
    inference=INFERENCE,
    training=Training(cpu=True, gpu="multi", multi_host=True, incremental=False, checkpoints=True),
)
