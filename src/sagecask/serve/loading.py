"""From a model folder to an algorithm and its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask import artifact, registry
from sagecask.algorithm import InferenceSettings
from sagecask.errors import ModelDataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.algorithm import Algorithm, AnyModel
    from sagecask.contract import ServingJob


def algorithm_for(folder: Path, named: str | None, *, several: bool = False) -> Algorithm:
    """Return the algorithm that `named` and the folder's manifest agree on, or the only one that is installed.

    Parameters
    ----------
    several : whether models of other algorithms than `named` are welcome, as on multi-model endpoints

    Raises
    ------
    ModelDataError : there is no model folder, or it is of another algorithm
    UsageError : it cannot be known which algorithm to serve with, or it is not installed
    """
    if not folder.is_dir():
        raise ModelDataError(f"{folder}: a folder with a model; got none")
    written_by = artifact.algorithm_of(folder)
    name = written_by if several and written_by else named or written_by or registry.only()
    if name is None:
        installed = ", ".join(registry.names()) or "none"
        raise UsageError(f"algorithm: SAGECASK_ALGORITHM must name one of those installed ({installed}); got none")
    if written_by not in {None, name}:
        raise ModelDataError(f"{folder}: a model of {name}; got one of {written_by}")
    if written_by and written_by not in registry.names():
        installed = ", ".join(registry.names()) or "none"
        raise ModelDataError(f"{folder}: a model of an installed algorithm ({installed}); got one of {written_by}")
    return registry.load(name)


def load(algorithm: Algorithm, folder: Path, job: ServingJob) -> AnyModel:
    """Return the model of a folder, told how the job wants its answers.

    Raises
    ------
    ModelDataError : it is damaged
    UsageError : a variable that the algorithm declares has a value that it cannot have
    """
    own = algorithm.declaration.inference.environment
    settings = InferenceSettings(
        job.outputs,
        ensemble=job.ensemble,
        batch=job.batch,
        threads=job.threads,
        multi_model=job.multi_model is not None,
        environment={name: text for name, text in job.environment.items() if name in own},
    )
    return algorithm.load(folder, settings)
