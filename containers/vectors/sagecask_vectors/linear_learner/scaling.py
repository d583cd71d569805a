"""Shift and scale of features and label, learnt on a sample of rows and undone in the weights that are saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster
    from sagecask.formats import Batch

LEAST_PRESENCE = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """A row x with label y is trained on as (x - shift) / scale and (y - label_shift) / label_scale.

    shift, scale : (n_features,) float64; scale is above 0
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    label_shift: float = 0.0
    label_scale: float = 1.0

    def labels(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return labels as they are trained on."""
        if self.label_shift == 0 and self.label_scale == 1:
            return labels
        return ((labels - self.label_shift) / self.label_scale).astype(np.float32)

    def undone(self, weights: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weights and bias that give for raw rows, in the label's unit, what `weights` give for scaled ones.

        Parameters
        ----------
        weights : (n_features + 1, n_outputs), the bias in the last row

        Returns
        -------
        weights : (n_features, n_outputs) float32
        bias : (n_outputs,) float32
        """
        raw = weights[:-1].astype(np.float64) / self.scale[:, None]
        bias = weights[-1] - self.shift @ raw
        scaled = self.label_scale * raw, self.label_scale * bias + self.label_shift
        return scaled[0].astype(np.float32), scaled[1].astype(np.float32)


def scaling_of(sample: Batch, cluster: Cluster, *, features: tuple[bool, bool], label: tuple[bool, bool]) -> Scaling:
    """Learn from the rows that all hosts have sampled.

    Of sparse rows a feature counts as present in at least one row of 25: scaled by its own deviation, a word that a few
    rows have would be blown up beyond all others, on the evidence of these few.

    Parameters
    ----------
    features, label : each, whether it is shifted to mean 0, and whether it is scaled to standard deviation 1
    """
    mean, deviation = _moments(sample.features, len(sample), cluster)
    assert sample.labels is not None
    label_mean, label_deviation = _moments(sample.labels[:, None], len(sample), cluster)
    if not isinstance(sample.features, np.ndarray):
        np.maximum(deviation, _least_deviation(sample.features, cluster), out=deviation)
    # what does not vary stays as it is
    deviation[deviation == 0] = 1
    return Scaling(
        shift=mean * features[0],
        scale=deviation if features[1] else np.ones_like(deviation),
        label_shift=float(label_mean[0]) * label[0],
        label_scale=(float(label_deviation[0]) or 1.0) if label[1] else 1.0,
    )


def _least_deviation(rows: csr_matrix, cluster: Cluster) -> NDArray[np.float64]:
    """Return what a feature's deviation is at least, (n_features,)."""
    width = rows.shape[1]
    present = np.bincount(rows.indices, rows.data != 0, minlength=width)
    squares = np.bincount(rows.indices, np.square(rows.data, dtype=np.float64), minlength=width)
    cluster.sum(present, squares)
    return np.asarray(np.sqrt(LEAST_PRESENCE * squares / np.maximum(present, 1)))


def _moments(
    rows: NDArray[np.float32] | csr_matrix, count: int, cluster: Cluster
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each column over all hosts."""
    total, sums = np.array([count], np.float64), np.asarray(rows.sum(axis=0, dtype=np.float64)).reshape(-1)
    cluster.sum(total, sums)
    mean = sums / total
    if isinstance(rows, np.ndarray):
        squares = np.square(rows - mean).sum(axis=0)
    else:
        present = np.bincount(rows.indices, minlength=rows.shape[1])
        squares = np.bincount(rows.indices, (rows.data - mean[rows.indices]) ** 2, minlength=rows.shape[1])
        squares = squares + (count - present) * mean**2
    cluster.sum(squares)
    deviation = np.sqrt(squares / total)
    # what is left of a constant after rounding is no deviation
    deviation[deviation <= 1e-6 * np.abs(mean)] = 0
    return mean, deviation
