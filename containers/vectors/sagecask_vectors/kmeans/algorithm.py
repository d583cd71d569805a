"""K-means: what it declares, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_vectors.kmeans.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.kmeans.hyperparameters import KMeansHyperparameters
    from sagecask_vectors.kmeans.model import KMeansModel


class KMeans(Algorithm):
    """Groups rows x_i around k centers c_j so as to minimise the mean squared distance

        msd = (1 / n) sum_i min_j |x_i - c_j|²

    in one pass over a stream: K = k * extra_center_factor centers follow the mini-batches as running means, and are
    reduced to k by Lloyd's algorithm at the end.

    The wrong choice for clusters that are no balls of about one size, for features on scales that do not compare, and
    where the number of clusters is what is sought.

    Reference: Sculley, Web-Scale K-Means Clustering, WWW 2010, algorithm 1; Ailon, Jaiswal and Monteleoni, Streaming
    k-means approximation, NIPS 2009, section 3 (more centers first, fewer later); Arthur and Vassilvitskii,
    k-means++, SODA 2007, section 2.2.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[KMeansHyperparameters]:
        from sagecask_vectors.kmeans.hyperparameters import (  # noqa: PLC0415 - serving does without it
            KMeansHyperparameters,
        )

        return KMeansHyperparameters

    def fit(self, job: Job[KMeansHyperparameters]) -> KMeansModel:
        from sagecask_vectors.kmeans.training import train  # noqa: PLC0415 - serving does without it

        return train(job)

    def load(self, folder: Path, settings: InferenceSettings) -> KMeansModel:  # noqa: ARG002 - nothing to set
        from sagecask_vectors.kmeans.model import load  # noqa: PLC0415 - training imports it by itself

        return load(folder)
