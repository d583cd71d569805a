"""k-NN: what it declares, and training from a job to a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_vectors.knn.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.knn.hyperparameters import KNNHyperparameters
    from sagecask_vectors.knn.model import KNNModel

_log = logging.getLogger(__name__)


class KNN(Algorithm):
    """Classification or regression by the k nearest of a sample of the training rows.

    For a row x and the labels y of its k nearest sampled rows N(x), the answer is

        argmax over c of |{i in N(x): y_i = c}|   (classifier),   or   the mean of y_i over N(x)   (regressor)

    where near means a small |x - x_i|² (L2), a large x·x_i (INNER_PRODUCT) or a large x·x_i / (|x| |x_i|) (COSINE).

    The wrong choice where columns have scales of their own that mean nothing for distance, where most columns are
    noise, and where an answer must cost less than comparing with the sample.

    Reference: Cover and Hart, Nearest neighbor pattern classification, IEEE Trans. on Information Theory 13, 1967.
    Indexes: Johnson, Douze and Jégou, Billion-scale similarity search with GPUs, 2017, sections 2 and 5.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[KNNHyperparameters]:
        from sagecask_vectors.knn.hyperparameters import KNNHyperparameters  # noqa: PLC0415 - serving does without it

        return KNNHyperparameters

    def fit(self, job: Job[KNNHyperparameters]) -> KNNModel:
        # serving does without what training imports
        from sagecask_vectors.knn import training  # noqa: PLC0415

        training.see_to_gpus(job.gpus)
        vectors, labels = training.sample(job)
        model = training.indexed(vectors, labels, job.hyperparameters)
        if "test" in job.channels and not job.cluster.any(job.stop_requested()):
            training.score(model, job)
        return model

    def load(self, folder: Path, settings: InferenceSettings) -> KNNModel:
        from sagecask_vectors.knn.model import load  # noqa: PLC0415 - imports faiss

        return load(folder, settings.threads)
