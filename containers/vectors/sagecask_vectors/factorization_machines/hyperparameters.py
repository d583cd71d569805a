"""The hyperparameters of factorization machines (fact-machines-hyperparameters.md, fm-tuning.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sagecask.hyperparameters import Hyperparameters, hyperparameter

if TYPE_CHECKING:
    from collections.abc import Iterator

Method = Literal["normal", "uniform", "constant"]

# features are numbered by 32 bits with a sign
MOST_FEATURES = 2**31 - 1
_POSITIVE = ("clip_gradient", "eps", "rescale_grad", "batch_metrics_publish_interval")


class FactorizationMachinesHyperparameters(Hyperparameters):
    """What a training job may set."""

    # internal settings, which job logs of the original show: _optimizer, _learning_rate, _wd and more
    hidden_prefix: ClassVar[str | None] = "_"

    feature_dim: int = hyperparameter(minimum=1, meaning="number of features")
    num_factors: int = hyperparameter(minimum=1, meaning="length of each feature's factor vector")
    predictor_type: Literal["binary_classifier", "regressor"] = hyperparameter(
        meaning="binary classification by log loss, or regression by squared loss"
    )
    bias_init_method: Method = hyperparameter("normal", meaning="how the global bias starts")
    bias_init_scale: float | None = hyperparameter(
        None, minimum=0, applies_when="bias_init_method is uniform",
        meaning="the bias starts uniformly in [-scale, scale]; 0.01 when not given",
    )  # fmt: skip
    bias_init_sigma: float = hyperparameter(
        0.01, minimum=0, applies_when="bias_init_method is normal",
        meaning="standard deviation of the bias's start around zero",
    )  # fmt: skip
    bias_init_value: float | None = hyperparameter(
        None, applies_when="bias_init_method is constant", meaning="starting bias; 0 when not given"
    )
    bias_lr: float = hyperparameter(0.1, minimum=0, meaning="learning rate of the bias")
    bias_wd: float = hyperparameter(0.01, minimum=0, meaning="weight decay of the bias")
    clip_gradient: float | None = hyperparameter(
        None, meaning="gradients, decay included, are cut to [-clip_gradient, clip_gradient]; not cut when not given"
    )
    epochs: int = hyperparameter(1, minimum=1, meaning="passes over the train data")
    eps: float | None = hyperparameter(
        None, meaning="added to the denominator of the optimizer's step; 1e-8 when not given"
    )
    factors_init_method: Method = hyperparameter("normal", meaning="how the factors start")
    factors_init_scale: float | None = hyperparameter(
        None, minimum=0, applies_when="factors_init_method is uniform",
        meaning="factors start uniformly in [-scale, scale]; 0.001 when not given",
    )  # fmt: skip
    factors_init_sigma: float = hyperparameter(
        0.001, minimum=0, applies_when="factors_init_method is normal",
        meaning="standard deviation of the factors' start around zero",
    )  # fmt: skip
    factors_init_value: float | None = hyperparameter(
        None,
        applies_when="factors_init_method is constant",
        meaning="starting value of the factors; 0.001 when not given",
    )
    factors_lr: float = hyperparameter(0.0001, minimum=0, meaning="learning rate of the factors")
    factors_wd: float = hyperparameter(0.00001, minimum=0, meaning="weight decay of the factors")
    linear_init_method: Method = hyperparameter("normal", meaning="how the linear weights start")
    linear_init_scale: float | None = hyperparameter(
        None, minimum=0, applies_when="linear_init_method is uniform",
        meaning="linear weights start uniformly in [-scale, scale]; 0.01 when not given",
    )  # fmt: skip
    linear_init_sigma: float = hyperparameter(
        0.01, minimum=0, applies_when="linear_init_method is normal",
        meaning="standard deviation of the linear weights' start around zero",
    )  # fmt: skip
    linear_init_value: float | None = hyperparameter(
        None, applies_when="linear_init_method is constant", meaning="starting linear weights; 0 when not given"
    )
    linear_lr: float = hyperparameter(0.001, minimum=0, meaning="learning rate of the linear weights")
    linear_wd: float = hyperparameter(0.001, minimum=0, meaning="weight decay of the linear weights")
    mini_batch_size: int = hyperparameter(1000, minimum=1, meaning="rows per mini-batch")
    rescale_grad: float | None = hyperparameter(
        None,
        meaning="the sum of a mini-batch's gradients is multiplied by this; by 1 / its number of rows when not given",
    )
    use_bias: bool = hyperparameter(True, meaning="whether there is a global bias")
    use_linear: bool = hyperparameter(True, meaning="whether there are linear weights")
    batch_metrics_publish_interval: int = hyperparameter(
        500, meaning="mini-batches between two metric lines of an epoch"
    )

    def faults(self) -> Iterator[str]:
        for name in _POSITIVE:
            value = self.public(name)
            if isinstance(value, int | float) and value <= 0:
                yield f'hyperparameter "{name}" must be above 0; got "{value:g}"'
        if self.feature_dim > MOST_FEATURES:
            yield f'hyperparameter "feature_dim" must be at most {MOST_FEATURES}; got "{self.feature_dim}"'
