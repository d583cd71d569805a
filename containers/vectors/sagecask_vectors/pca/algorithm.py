"""PCA: what it declares, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask_vectors.pca.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.pca.hyperparameters import PCAHyperparameters
    from sagecask_vectors.pca.model import PCAModel


class PCA(Algorithm):
    """Finds the k directions v_1 ... v_k, of length 1 and at right angles, that keep most of the rows' variance:

        V = argmax over V'V = I of sum_i |V' (x_i - mean)|²

    and projects rows on them. They are the eigenvectors of the covariance with the highest eigenvalues.

    The wrong choice for features on scales that do not compare (scale them first), for relations that are no straight
    ones, and where the directions of little variance are those that matter.

    Reference: Jolliffe, Principal Component Analysis, 2nd edition 2002, section 1.1. Randomized mode: Halko, Martinsson
    and Tropp, Finding structure with randomness, SIAM Review 53 (2), 2011, algorithms 4.4 and 5.1.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[PCAHyperparameters]:
        from sagecask_vectors.pca.hyperparameters import PCAHyperparameters  # noqa: PLC0415 - serving does without it

        return PCAHyperparameters

    def fit(self, job: Job[PCAHyperparameters]) -> PCAModel:
        from sagecask_vectors.pca.training import train  # noqa: PLC0415 - serving does without it

        return train(job)

    def load(self, folder: Path, settings: InferenceSettings) -> PCAModel:  # noqa: ARG002 - nothing to set
        from sagecask_vectors.pca.model import load  # noqa: PLC0415 - training imports it by itself

        return load(folder)
