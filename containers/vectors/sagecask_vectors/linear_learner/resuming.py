"""Checkpoints: everything that training goes on from, written after each epoch by the first host."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sagecask.errors import ModelDataError
from sagecask_vectors.linear_learner.progress import Best

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sagecask.checkpoints import Checkpoints
    from sagecask.cluster import Cluster
    from sagecask_vectors.linear_learner.progress import Progress
    from sagecask_vectors.linear_learner.solver import Solver

PREFIX = "linear-learner"


class Resuming:
    """The state of one training as files, each the state after one epoch."""

    def __init__(self, checkpoints: Checkpoints, cluster: Cluster, solver: Solver, progress: Progress) -> None:
        self._checkpoints = checkpoints.within(".", PREFIX)
        self._cluster = cluster
        self._solver = solver
        self._progress = progress

    def save(self, epoch: int) -> None:
        """Write the state after an epoch; a job without a checkpoint folder writes nothing."""
        if not self._cluster.is_master or self._checkpoints.folder is None:
            return
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tensors().items()}
        arrays |= self._numbers(epoch)

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        self._checkpoints.save(epoch, write)

    def restore(self) -> int:
        """Go back to the newest checkpoint that the first host has; return the epoch to go on with, 0 without one.

        Raises
        ------
        ModelDataError : the checkpoint is of another training, or damaged
        """
        latest = self._checkpoints.latest() if self._cluster.is_master else None
        if not self._cluster.any(latest is not None):
            return 0
        arrays = self._read(latest[1]) if latest is not None else self._blank()
        # the hosts' folders need not be the same
        for array in arrays.values():
            self._cluster.broadcast(array)
        for name, tensor in self._tensors().items():
            tensor.copy_(torch.from_numpy(arrays[name]))
        epoch, steps, watched, stale = arrays["state"]
        value, loss, best_epoch, model = arrays["best"]
        self._solver.steps = int(steps)
        self._progress.watched, self._progress.stale = float(watched), int(stale)
        self._progress.best = Best(float(value), float(loss), int(best_epoch), int(model), arrays["best_weights"])
        return int(epoch) + 1

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {"weights": self._solver.weights, "average": self._solver.average}
        for name, group in zip(("features", "bias"), self._solver.groups, strict=True):
            tensors |= {f"{name}_first": group.first, f"{name}_second": group.second}
        return tensors

    def _numbers(self, epoch: int) -> dict[str, NDArray[Any]]:
        best = self._progress.best
        assert best is not None
        return {
            "state": np.array([epoch, self._solver.steps, self._progress.watched, self._progress.stale], np.float64),
            "best": np.array([best.value, best.loss, best.epoch, best.model], np.float64),
            "best_weights": best.weights,
        }

    def _blank(self) -> dict[str, NDArray[Any]]:
        """Return arrays of the shapes that a checkpoint of this training has."""
        tensors = {name: np.zeros(tensor.shape, np.float32) for name, tensor in self._tensors().items()}
        outputs = self._solver.weights.shape[1] // self._solver.n_models
        best = np.zeros((len(self._solver.weights), outputs), np.float32)
        return tensors | {"state": np.zeros(4), "best": np.zeros(4), "best_weights": best}

    def _read(self, path: Path) -> dict[str, NDArray[Any]]:
        blank = self._blank()
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in blank}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise ModelDataError(f"{path}: a whole checkpoint of linear-learner is needed; got {error}") from error
        for name, array in arrays.items():
            if array.shape != blank[name].shape or array.dtype != blank[name].dtype:
                raise ModelDataError(
                    f'{path}: a checkpoint of a job with the same settings and features is needed; got "{name}" of '
                    f"shape {array.shape}, expected {blank[name].shape}"
                )
        return arrays
