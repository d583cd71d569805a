"""Factorization machines: what they declare, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask.errors import UserError
from sagecask_vectors.factorization_machines.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_vectors.factorization_machines.hyperparameters import FactorizationMachinesHyperparameters
    from sagecask_vectors.factorization_machines.model import FactorizationMachine


class FactorizationMachines(Algorithm):
    """A linear model plus an interaction of every pair of features, whose strength is a product of two factor vectors.

    A row x scores

        f(x) = w0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j

    and training minimises, over rows with label y, (f(x) - y)² / 2 for a regressor or the log loss of sigmoid(f(x)) for
    a binary classifier, by Adam over mini-batches, with L2 penalties bias_wd/2 w0², linear_wd/2 |w|² and
    factors_wd/2 |v|². A step costs time for the values other than zero alone.

    The strong choice for sparse rows of categories, as in recommendations and click prediction, where most pairs of
    features are hardly ever seen together. The wrong one for dense numbers, whose interactions trees find better, for
    more than two classes, and for interactions of more than two features.

    Reference: Rendle, Factorization Machines, ICDM 2010, equation 1 and lemma 3.1; Kingma and Ba, Adam, ICLR 2015,
    algorithm 1.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[FactorizationMachinesHyperparameters]:
        from sagecask_vectors.factorization_machines.hyperparameters import (  # noqa: PLC0415 - serving does without it
            FactorizationMachinesHyperparameters,
        )

        return FactorizationMachinesHyperparameters

    def fit(self, job: Job[FactorizationMachinesHyperparameters]) -> FactorizationMachine:
        # serving does without what training imports
        from sagecask_vectors.factorization_machines.model import FactorizationMachine  # noqa: PLC0415
        from sagecask_vectors.factorization_machines.settings import weights_of  # noqa: PLC0415
        from sagecask_vectors.factorization_machines.training import Training  # noqa: PLC0415

        given = job.hyperparameters
        _check_memory(given.feature_dim, given.num_factors, job.available_memory())
        weights = weights_of(given)
        training = Training(job, weights)
        stopped = training.run()
        if "test" in job.channels and not stopped:
            training.test()
        return FactorizationMachine(weights, given.predictor_type)

    def load(self, folder: Path, settings: InferenceSettings) -> FactorizationMachine:  # noqa: ARG002 - no settings matter
        from sagecask_vectors.factorization_machines.loading import load  # noqa: PLC0415 - the compiled code

        return load(folder)


def _check_memory(n_features: int, n_factors: int, available: int | None) -> None:
    """Refuse weights that are larger than memory; the optimizer's numbers only fill where features occur."""
    needed = 4 * n_features * (n_factors + 1)
    if available is not None and needed > available:
        raise UserError(
            f"factorization-machines: memory for feature_dim x (num_factors + 1) numbers is needed, "
            f"{needed / 2**30:.1f} GiB; got {available / 2**30:.1f} GiB"
        )
