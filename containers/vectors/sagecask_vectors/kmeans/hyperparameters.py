"""The hyperparameters of k-means (k-means-api-config.md, k-means-tuning.md)."""

from __future__ import annotations

from typing import Literal

from sagecask.hyperparameters import Hyperparameters, hyperparameter

Start = Literal["random", "kmeans++"]


class KMeansHyperparameters(Hyperparameters):
    """What a training job may set."""

    feature_dim: int = hyperparameter(minimum=1, meaning="number of features; rows of another width end the job")
    k: int = hyperparameter(minimum=1, meaning="number of clusters wanted")
    epochs: int = hyperparameter(1, minimum=1, meaning="passes over the train data")
    eval_metrics: tuple[str, ...] = hyperparameter(
        ("msd",),
        values=("msd", "ssd"),
        default_text='["msd"]',
        meaning="JSON list of the scores to report: mean squared distance (msd), sum of squared distances (ssd)",
    )
    extra_center_factor: int | Literal["auto"] = hyperparameter(
        "auto",
        minimum=1,
        meaning="training works with k times this many centers and reduces them to k at the end; auto is 10 for k up "
        "to 10, then the most that keeps them at about 100, and 1 from k = 100",
    )
    half_life_time_size: int = hyperparameter(
        0, minimum=0, meaning="a row's weight in its center halves after this many further rows; 0 means no decay"
    )
    init_method: Start = hyperparameter("random", meaning="how the first centers are chosen")
    local_lloyd_init_method: Start = hyperparameter(
        "kmeans++", meaning="start of the Lloyd runs that reduce the centers to k"
    )
    local_lloyd_max_iter: int = hyperparameter(300, minimum=1, meaning="iteration limit of a Lloyd run")
    local_lloyd_num_trials: int | Literal["auto"] = hyperparameter(
        "auto", minimum=1, meaning="number of Lloyd runs, of which the one with the lowest loss is kept; auto is 10"
    )
    local_lloyd_tol: float = hyperparameter(
        0.0001, minimum=0, maximum=1, meaning="relative change in loss below which a Lloyd run stops early"
    )
    mini_batch_size: int = hyperparameter(5000, minimum=1, meaning="rows per mini-batch")
    force_dense: bool = hyperparameter(
        True, meaning="accepted without effect: sparse rows give the same model as dense ones"
    )
