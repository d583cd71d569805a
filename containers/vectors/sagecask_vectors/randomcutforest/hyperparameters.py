"""The hyperparameters of Random Cut Forest (rcf_hyperparameters.md, job logs)."""

from __future__ import annotations

from typing import ClassVar

from sagecask.hyperparameters import Hyperparameters, hyperparameter

ACCURACY, PRECISION_RECALL_FSCORE = "accuracy", "precision_recall_fscore"


class RandomCutForestHyperparameters(Hyperparameters):
    """What a training job may set."""

    hidden_prefix: ClassVar[str | None] = "_"

    feature_dim: int = hyperparameter(minimum=1, maximum=10000, meaning="number of features, which every row must have")
    eval_metrics: tuple[str, ...] = hyperparameter(
        (ACCURACY, PRECISION_RECALL_FSCORE),
        values=(ACCURACY, PRECISION_RECALL_FSCORE),
        default_text='["accuracy", "precision_recall_fscore"]',
        applies_when="a test channel is given",
        meaning="figures that are reported of the labelled test rows",
    )
    num_samples_per_tree: int = hyperparameter(
        256, minimum=1, maximum=2048, meaning="sampled rows a tree; about one over the share of anomalies expected"
    )
    num_trees: int = hyperparameter(
        100, minimum=50, maximum=1000, meaning="number of trees; more make scores steadier and inference slower"
    )
    mini_batch_size: int = hyperparameter(
        1000, minimum=1000, maximum=1000, meaning="rows read at a time; the SDK sends 1000, and nothing else is taken"
    )
    force_dense: bool = hyperparameter(True, meaning="accepted without effect: sparse rows are always written out")
    epochs: int = hyperparameter(1, meaning="accepted without effect: one pass draws the sample")
