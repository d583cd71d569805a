"""How all models do on the selection data: their losses, and how well their best cuts serve the criterion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from sagecask_vectors.linear_learner.threshold import Cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sagecask.cluster import Cluster
    from sagecask.formats import Batch
    from sagecask_vectors.linear_learner.losses import Loss
    from sagecask_vectors.linear_learner.scaling import Scaling
    from sagecask_vectors.linear_learner.solver import Solver
    from sagecask_vectors.linear_learner.threshold import Aim

N_BINS = 4096
_MOST_OUTPUTS = 2**21


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Of each model, (n_models,) float64; infinite losses are those of models that have diverged.

    losses : mean loss, in the label's unit
    weighted : the same with class weights, where all models share them
    values : what the criterion says, more being better
    """

    losses: NDArray[np.float64]
    weighted: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The model of the highest value; of equal ones, that of the lowest loss."""
        return int(np.lexsort((self.weighted, -self.values))[0])


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The data that models are chosen by.

    name : of the channel
    batches : gives the rows of one pass, in batches of about the size asked for
    aim : what a binary classifier's cut is for; None chooses by the loss
    cut_at : raw output of the natural cut
    most : rows of this host that calibrate the cut
    shared_weights : whether the class weights are those of all models
    """

    name: str
    batches: Callable[[int], Iterator[Batch]]
    loss: Loss
    scaling: Scaling
    cluster: Cluster
    aim: Aim | None = None
    cut_at: float = 0.0
    most: int | None = None
    shared_weights: bool = True

    def standing(self, solver: Solver) -> Standing:
        """Score all models on one pass over the data of all hosts."""
        where = solver.weights.device
        sums = torch.zeros((2, solver.n_models), dtype=torch.float64, device=where)
        counts = torch.zeros(solver.n_models * 2 * N_BINS, dtype=torch.int64, device=where)
        size = max(256, min(16384, _MOST_OUTPUTS // solver.weights.shape[1]))
        seen, weight = 0, 0.0
        weights = solver.judged()
        for batch in self.batches(size):
            assert batch.labels is not None
            outputs, labels = (
                solver.outputs(solver.rows(batch), weights),
                solver.labels(self.scaling.labels(batch.labels)),
            )
            losses = self.loss.value(outputs, labels)
            row_weights = solver.row_weights(labels) if self.shared_weights else None
            sums[0] += losses.sum(dim=0, dtype=torch.float64)
            sums[1] += (losses if row_weights is None else losses * row_weights).sum(dim=0, dtype=torch.float64)
            weight += len(batch) if row_weights is None else float(row_weights.sum())
            if self.aim is not None:
                kept = len(batch) if self.most is None else max(0, min(len(batch), self.most - seen))
                self._count(outputs[:kept, :, 0], labels[:kept], counts)
            seen += len(batch)
        return self._standing(sums.cpu().numpy(), counts.cpu().numpy(), np.array([seen, weight]))

    def _count(self, raw: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor) -> None:
        """Add up, for each model and class, how many rows are in each bin of scores."""
        bins = bins_of(raw - self.cut_at, N_BINS)
        bins += (torch.arange(raw.shape[1], device=raw.device) * 2 + labels.long()[:, None]) * N_BINS
        counts += torch.bincount(bins.view(-1), minlength=len(counts))

    def _standing(self, sums: NDArray[np.float64], counts: NDArray[np.int64], totals: NDArray[np.float64]) -> Standing:
        self.cluster.sum(sums, totals)
        unit = self.scaling.label_scale**self.loss.power
        losses, weighted = (np.where(np.isfinite(each), each, np.inf) for each in sums * unit / totals[:, None])
        values = -weighted
        if self.aim is not None and self.aim.criterion != "loss_function":
            self.cluster.sum(counts)
            _, values = Cuts.of(counts.reshape(-1, 2, N_BINS)).best(self.aim)
            values = np.where(np.isfinite(losses), values, -np.inf)
        return Standing(losses, weighted, values)


def bins_of(scores: torch.Tensor, n_bins: int) -> torch.Tensor:
    """Return the bin of each score, int64; those of models that have diverged are in the lowest."""
    x = scores / (1 + scores.abs())
    return torch.nan_to_num((x + 1) * (n_bins / 2), nan=0.0).long().clamp_(0, n_bins - 1)
