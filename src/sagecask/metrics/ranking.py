"""Where the label's class stands among all classes when they are ordered by score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def ranks(labels: ArrayLike, scores: ArrayLike) -> NDArray[np.int64]:
    """Return the place of each row's label, from 0; of equal scores that of the lower class counts as higher.

    labels : (n_rows,) classes from 0
    scores : (n_rows, n_classes)

    >>> ranks([2, 0], [[0.1, 0.2, 0.4], [0.3, 0.3, 0.4]]).tolist()
    [0, 1]
    """
    truth, table = np.asarray(labels).astype(np.int64)[:, None], np.asarray(scores)
    own = np.take_along_axis(table, truth, axis=1)
    lower = np.arange(table.shape[1]) < truth
    place: NDArray[np.int64] = ((table > own) | ((table == own) & lower)).sum(axis=1)
    return place
