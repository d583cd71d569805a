"""The public interface of Linear Learner bar its hyperparameters (linear-learner.md, LL-in-formats.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sagecask.algorithm import ChannelDeclaration, Declaration, Inference, Metric, Training, Tunable
from sagecask.report import quality_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.report import Kind

Direction = Literal["minimize", "maximize"]

_TYPES = ("application/x-recordio-protobuf", "text/csv")
_DISTRIBUTION = ("FullyReplicated", "ShardedByS3Key")
_OBJECTIVE = r"\S+_objective"

# name, name in the log where it differs, kind, meaning, predictor type
_SCORES: tuple[tuple[str, str, Kind, str, str], ...] = (
    ("absolute_loss", "absolute_loss", "loss", "mean absolute error of the final model", "regressor"),
    (
        "binary_classification_accuracy", "binary_classification_accuracy", "score",
        "share of right labels at the calibrated threshold", "binary_classifier",
    ),
    ("binary_f_beta", r"binary_f_\S+", "score", "F score with beta f_beta", "binary_classifier"),
    ("dcg", "dcg", "score", "discounted cumulative gain of the ranking of classes", "multiclass_classifier"),
    ("macro_f_beta", r"macro_f_\S+", "score", "F score averaged over classes", "multiclass_classifier"),
    ("macro_precision", "macro_precision", "score", "precision averaged over classes", "multiclass_classifier"),
    ("macro_recall", "macro_recall", "score", "recall averaged over classes", "multiclass_classifier"),
    ("mse", "mse", "loss", "mean squared error of the final model", "regressor"),
    ("multiclass_accuracy", "multiclass_accuracy", "score", "share of right labels", "multiclass_classifier"),
    (
        "multiclass_top_k_accuracy", r"multiclass_top_k_accuracy_\S+", "score",
        "share of rows whose label is among the accuracy_top_k best scores", "multiclass_classifier",
    ),
    ("precision", "precision", "score", "precision of class 1", "binary_classifier"),
    ("recall", "recall", "score", "recall of class 1", "binary_classifier"),
    ("rmse", "rmse", "loss", "root of the mean squared error", "regressor"),
    ("roc_auc_score", "roc_auc_score", "score", "area under the ROC curve", "binary_classifier"),
)  # fmt: skip
_OF_TRAIN = ("mse", "absolute_loss", "binary_classification_accuracy", "binary_f_beta", "precision", "recall")


def _metrics() -> Iterator[Metric]:
    for name, logged, kind, meaning, predictor in _SCORES:
        direction: Direction = "minimize" if kind == "loss" else "maximize"
        for channel, condition in (
            ("test", f"{predictor} with a test channel"),
            ("validation", f"{predictor} with a validation channel"),
            ("train", f"{predictor} without a validation channel"),
        ):
            if (channel == "test" and name == "rmse") or (channel == "train" and name not in _OF_TRAIN):
                continue
            pattern = quality_pattern(channel, logged, kind)
            yield Metric(f"{channel}:{name}", direction, meaning, pattern, condition)
    for channel, suffix, when in (
        ("train", "", "every epoch"),
        ("validation", "", "every epoch, with a validation channel"),
        ("train", ":final", "at the end, of the chosen model"),
        ("validation", ":final", "at the end, of the chosen model, with a validation channel"),
        ("test", "", "at the end, with a test channel"),
    ):
        epoch = not suffix and channel != "test"
        pattern = quality_pattern(channel, _OBJECTIVE, "loss", epoch=epoch)
        yield Metric(f"{channel}:objective_loss{suffix}", "minimize", "mean loss", pattern, when)


CHANNELS = (
    ChannelDeclaration(
        name="train",
        required=True,
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        parameters=("label_size", "charset"),
        input_modes=("File", "Pipe"),
        distribution=_DISTRIBUTION,
        layout=(
            "CSV has the label in the first column and no header row; a record has its features and its label under "
            "the key values, features dense or sparse; labels are 0 or 1, 0 to num_classes - 1, or any number"
        ),
    ),
    ChannelDeclaration(
        name="validation",
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        parameters=("label_size", "charset"),
        input_modes=("File", "Pipe"),
        layout="as train; read in each epoch",
    ),
    ChannelDeclaration(
        name="test",
        content_types=_TYPES,
        default_content_type=_TYPES[0],
        parameters=("label_size", "charset"),
        input_modes=("File", "Pipe"),
        distribution=_DISTRIBUTION,
        layout="as train; scored once, with the final model",
    ),
)

TUNABLE = (
    Tunable("wd", "continuous", 1.0e-7, 1),
    Tunable("l1", "continuous", 1.0e-7, 1),
    Tunable("learning_rate", "continuous", 1.0e-5, 1, scaling="logarithmic"),
    Tunable("mini_batch_size", "integer", 100, 5000),
    Tunable("use_bias", "categorical", values=("true", "false")),
    Tunable("positive_example_weight_mult", "continuous", 1.0e-5, 1.0e5),
)

INFERENCE = Inference(
    content_types=("application/json", "application/jsonlines", "text/csv", "application/x-recordio-protobuf"),
    accept=("application/json", "application/jsonlines", "application/x-recordio-protobuf"),
    default_accept="application/json",
    requests={
        "application/json": '{"instances": [{"features": [1.5, 16.0, 14.0, 23.0]}]}',
        "application/json (sparse)": (
            '{"instances": [{"data": {"features": {"keys": [26, 182], "shape": [2000], "values": [1, 4]}}}]}'
        ),
        "application/jsonlines": '{"features": [1.5, 16.0, 14.0, 23.0]}\n',
        "text/csv": "1.5,16.0,14.0,23.0\n",
    },
    responses={
        "application/json": '{"predictions": [{"score": 0.4, "predicted_label": 0}]}',
        "application/json (multiclass)": ('{"predictions": [{"score": [0.1, 0.2, 0.4, 0.3], "predicted_label": 2}]}'),
        "application/json (regressor)": '{"predictions": [{"score": 0.4}]}',
        "application/jsonlines": '{"predicted_label":0,"score":0.4}\n',
    },
)

DECLARATION = Declaration(
    name="linear-learner",
    title="Linear Learner",
    family="vectors",
    learning="supervised",
    source=(
        "linear-learner.md",
        "ll_how-it-works.md",
        "ll_hyperparameters.md",
        "linear-learner-tuning.md",
        "LL-in-formats.md",
        "cdf-training.md",
        "cdf-inference.md",
    ),
    channels=CHANNELS,
    metrics=(
        *_metrics(),
        Metric("train:progress", None, "per cent of epochs done", r"#progress_metric: host=\S+, completed (\S+) %"),
        Metric(
            "train:throughput",
            None,
            "train rows a second",
            r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
        ),
    ),
    tunable=TUNABLE,
    inference=INFERENCE,
    training=Training(cpu=True, gpu="multi", multi_host=True, incremental=False, checkpoints=True),
)
