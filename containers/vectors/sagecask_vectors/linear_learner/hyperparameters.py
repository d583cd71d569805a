"""The hyperparameters of Linear Learner (ll_hyperparameters.md, linear-learner-tuning.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sagecask.hyperparameters import Hyperparameters, hyperparameter, when

if TYPE_CHECKING:
    from collections.abc import Iterator

PredictorType = Literal["binary_classifier", "multiclass_classifier", "regressor"]
Criterion = Literal[
    "accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function"
]  # fmt: skip
Loss = Literal[
    "auto", "logistic", "hinge_loss", "softmax_loss", "squared_loss", "absolute_loss", "eps_insensitive_squared_loss",
    "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss",
]  # fmt: skip

LOSSES: dict[str, tuple[str, ...]] = {
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss",),
    "regressor": (
        "squared_loss", "absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss",
        "quantile_loss", "huber_loss",
    ),
}  # fmt: skip
"""Losses of each predictor type; the first is what `auto` stands for."""

_BINARY = "predictor_type is binary_classifier"
_MULTICLASS = "predictor_type is multiclass_classifier"
_CRITERION = "binary_classifier_model_selection_criteria is"
_SCHEDULED = "use_lr_scheduler is true"


class LinearLearnerHyperparameters(Hyperparameters):
    """What a training job may set; `settings.py` decides what `auto` stands for."""

    hidden_prefix: ClassVar[str | None] = "_"

    predictor_type: PredictorType = hyperparameter(meaning="kind of target variable")
    num_classes: int | None = hyperparameter(
        None,
        minimum=3,
        maximum=1_000_000,
        required_when=when("predictor_type", "multiclass_classifier"),
        applies_when=_MULTICLASS,
        meaning="number of classes; labels are 0 to num_classes - 1",
    )
    accuracy_top_k: int = hyperparameter(
        3, minimum=1, maximum=1_000_000, applies_when=_MULTICLASS, meaning="k of the top-k accuracy"
    )
    balance_multiclass_weights: bool = hyperparameter(
        default=False, applies_when=_MULTICLASS, meaning="weight rows so that every class counts the same in the loss"
    )
    beta_1: float | Literal["auto"] = hyperparameter(
        "auto",
        minimum=0,
        below=1,
        applies_when="optimizer is adam, which auto is too",
        meaning="decay rate of the running mean of gradients",
    )
    beta_2: float | Literal["auto"] = hyperparameter(
        "auto",
        minimum=0,
        below=1,
        applies_when="optimizer is adam, which auto is too",
        meaning="decay rate of the running mean of squared gradients",
    )
    bias_lr_mult: float | Literal["auto"] = hyperparameter(
        "auto", above=0, meaning="the bias learns at learning_rate times this"
    )
    bias_wd_mult: float | Literal["auto"] = hyperparameter(
        "auto", minimum=0, meaning="L2 penalty of the bias is wd times this; auto is no penalty"
    )
    binary_classifier_model_selection_criteria: Criterion = hyperparameter(
        "accuracy",
        applies_when=_BINARY,
        meaning="score on the selection data that picks the model, sets its threshold and drives early stopping",
    )
    early_stopping_patience: int = hyperparameter(
        3, minimum=1, meaning="epochs without improvement before training ends; above epochs it never does"
    )
    early_stopping_tolerance: float = hyperparameter(
        0.001, above=0, meaning="an epoch is no improvement when gain / previous best is below this"
    )
    epochs: int = hyperparameter(15, minimum=1, meaning="upper limit of passes over the train data")
    f_beta: float = hyperparameter(
        1.0,
        above=0,
        applies_when="predictor_type is binary_classifier or multiclass_classifier",
        meaning="beta of every F score, reported or used as criterion",
    )
    feature_dim: int | Literal["auto"] = hyperparameter(
        "auto", minimum=1, meaning="number of features; data of another number is refused"
    )
    huber_delta: float = hyperparameter(
        1.0,
        minimum=0,
        applies_when="loss is huber_loss",
        meaning="error at which the loss turns from quadratic to linear",
    )
    init_bias: float = hyperparameter(0, meaning="starting value of the bias")
    init_method: Literal["uniform", "normal"] = hyperparameter(
        "uniform", meaning="distribution that starting weights are drawn from"
    )
    init_scale: float = hyperparameter(
        0.07, above=0, applies_when="init_method is uniform", meaning="half the width of the uniform distribution"
    )
    init_sigma: float = hyperparameter(
        0.01, above=0, applies_when="init_method is normal", meaning="standard deviation of the normal distribution"
    )
    l1: float | Literal["auto"] = hyperparameter("auto", minimum=0, meaning="L1 penalty; 0 turns it off")
    learning_rate: float | Literal["auto"] = hyperparameter(
        "auto", above=0, meaning="step size; auto depends on the optimizer"
    )
    loss: Loss = hyperparameter(
        "auto",
        auto=True,
        meaning="logistic (auto) or hinge_loss for binary, softmax_loss for multiclass, squared_loss (auto) or any "
        "other for regression",
    )
    loss_insensitivity: float = hyperparameter(
        0.01,
        above=0,
        applies_when="loss is eps_insensitive_squared_loss or eps_insensitive_absolute_loss",
        meaning="errors below this count as zero",
    )
    lr_scheduler_factor: float | Literal["auto"] = hyperparameter(
        "auto",
        above=0,
        below=1,
        applies_when=_SCHEDULED,
        meaning="the learning rate shrinks by this factor every lr_scheduler_step steps",
    )
    lr_scheduler_minimum_lr: float | Literal["auto"] = hyperparameter(
        "auto", above=0, applies_when=_SCHEDULED, meaning="floor of the learning rate"
    )
    lr_scheduler_step: int | Literal["auto"] = hyperparameter(
        "auto", minimum=1, applies_when=_SCHEDULED, meaning="steps between two reductions of the learning rate"
    )
    margin: float = hyperparameter(
        1.0, minimum=0, applies_when="loss is hinge_loss", meaning="margin of the hinge loss"
    )
    mini_batch_size: int = hyperparameter(1000, minimum=1, meaning="rows of a mini-batch; at most the train rows")
    momentum: float | Literal["auto"] = hyperparameter(
        "auto", minimum=0, below=1, applies_when="optimizer is sgd", meaning="momentum of SGD"
    )
    normalize_data: bool | Literal["auto"] = hyperparameter(
        True, meaning="shift features to mean 0 and scale them to standard deviation 1"
    )
    normalize_label: bool | Literal["auto"] = hyperparameter(
        "auto",
        applies_when="predictor_type is regressor",
        meaning="shift the label to mean 0 and scale it to standard deviation 1; auto does",
    )
    num_calibration_samples: int | Literal["auto"] = hyperparameter(
        "auto",
        minimum=1,
        applies_when=_BINARY,
        meaning="rows of the selection data that set the threshold; auto is all",
    )
    num_models: int | Literal["auto"] = hyperparameter(
        "auto", minimum=1, meaning="models trained side by side, the first with the given settings; auto is 32"
    )
    num_point_for_scaler: int = hyperparameter(
        10_000, minimum=1, meaning="rows sampled to find means and standard deviations"
    )
    optimizer: Literal["auto", "sgd", "adam", "rmsprop"] = hyperparameter(
        "auto", auto=True, meaning="optimisation method; auto is adam"
    )
    positive_example_weight_mult: float | Literal["auto", "balanced"] = hyperparameter(
        1.0,
        above=0,
        applies_when=_BINARY,
        meaning="weight of rows with label 1; balanced makes both classes count the same, auto tries several",
    )
    quantile: float = hyperparameter(
        0.5, above=0, below=1, applies_when="loss is quantile_loss", meaning="share of labels below the prediction"
    )
    target_precision: float = hyperparameter(
        0.8,
        above=0,
        below=1,
        applies_when=f"{_CRITERION} recall_at_target_precision",
        meaning="precision to hold while recall is made as large as possible",
    )
    target_recall: float = hyperparameter(
        0.8,
        above=0,
        below=1,
        applies_when=f"{_CRITERION} precision_at_target_recall",
        meaning="recall to hold while precision is made as large as possible",
    )
    unbias_data: bool | Literal["auto"] = hyperparameter(
        "auto", meaning="shift features to mean 0; auto does where there is a bias"
    )
    unbias_label: bool | Literal["auto"] = hyperparameter(
        "auto",
        applies_when="predictor_type is regressor and use_bias is true",
        meaning="shift the label to mean 0; auto does",
    )
    use_bias: bool = hyperparameter(default=True, meaning="fit an intercept")
    use_lr_scheduler: bool = hyperparameter(default=True, meaning="lower the learning rate while training")
    wd: float | Literal["auto"] = hyperparameter("auto", minimum=0, meaning="L2 penalty; 0 turns it off")

    def faults(self) -> Iterator[str]:
        losses = LOSSES[self.predictor_type]
        if self.loss != "auto" and self.loss not in losses:
            names = ", ".join(f'"{name}"' for name in ("auto", *losses))
            yield f'hyperparameter "loss" must be one of {names} for a {self.predictor_type}; got "{self.loss}"'
