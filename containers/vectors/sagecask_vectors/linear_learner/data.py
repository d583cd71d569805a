"""Rows with labels that fit the predictor type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sagecask.errors import DataError
from sagecask_vectors.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sagecask.channels import Channel
    from sagecask.cluster import Cluster
    from sagecask.formats import Batch


class LabelledRows:
    """Epochs of a channel; every label is one finite number, and a class for classifiers.

    Parameters
    ----------
    n_classes : None for regression
    feature_dim : features of each row; None takes what the first has
    """

    def __init__(self, channel: Channel, cluster: Cluster, n_classes: int | None, feature_dim: int | None) -> None:
        self._stream = Stream(channel, cluster, label_size=1, feature_dim=feature_dim, labelled=True)
        self._n_classes = n_classes

    def epoch(self, size: int) -> Iterator[Batch]:
        """Yield the rows of one epoch, `size` at a time; see `Stream.epoch`.

        Raises
        ------
        DataError : rows or labels are not what they must be
        """
        for batch in self._stream.epoch(size):
            assert batch.labels is not None
            check_labels(batch.labels, self._n_classes, self._stream.where)
            yield batch


def check_labels(labels: NDArray[np.float32], n_classes: int | None, where: str) -> None:
    """Refuse labels that are not one finite number a row, or no class in [0, n_classes).

    Raises
    ------
    DataError : names the first such label
    """
    if labels.ndim != 1:
        raise DataError(f"{where}: one label a row is needed; got {labels.shape[1]}")
    wrong = ~np.isfinite(labels)
    expected = "a finite number as label is needed"
    if n_classes is not None:
        wrong |= (labels < 0) | (labels >= n_classes) | (labels != np.floor(labels))
        expected = "labels 0 and 1 are needed" if n_classes == 2 else f"labels 0 to {n_classes - 1} are needed"
    if wrong.any():
        raise DataError(f"{where}: {expected}; got {labels[wrong][0]:g}")
