"""The hyperparameters of PCA (PCA-reference.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sagecask.hyperparameters import Hyperparameters, hyperparameter

if TYPE_CHECKING:
    from collections.abc import Iterator


class PCAHyperparameters(Hyperparameters):
    """What a training job may set."""

    feature_dim: int = hyperparameter(minimum=1, meaning="number of input columns; rows of another width end the job")
    mini_batch_size: int = hyperparameter(minimum=1, meaning="rows per mini-batch; without effect on regular mode")
    num_components: int = hyperparameter(
        minimum=1, meaning="number of principal components; at most feature_dim and the number of rows"
    )
    algorithm_mode: Literal["regular", "randomized"] = hyperparameter(
        "regular", meaning="exact covariance (regular), or an approximation by random projections (randomized)"
    )
    extra_components: int = hyperparameter(
        -1,
        minimum=-1,
        applies_when="algorithm_mode is randomized",
        meaning="additional random directions; more are more exact, for more time and memory; -1 is the larger of 10 "
        "and num_components",
    )
    subtract_mean: bool = hyperparameter(True, meaning="centre the data, in training and again at inference")
    force_dense: bool = hyperparameter(True, meaning="accepted without effect: sparse rows stay sparse")
    epochs: int = hyperparameter(1, meaning="accepted without effect: one pass says all")

    def faults(self) -> Iterator[str]:
        if self.num_components > self.feature_dim:
            yield (
                f'hyperparameter "num_components" must be at most feature_dim, which is {self.feature_dim}; '
                f'got "{self.num_components}"'
            )

    @property
    def directions(self) -> int:
        """Components that randomized mode works with."""
        extra = max(10, self.num_components) if self.extra_components == -1 else self.extra_components
        return min(self.num_components + extra, self.feature_dim)
