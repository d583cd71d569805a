"""A sample of the rows of a stream, whatever its length, with what each row counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sagecask.cluster import Cluster


class Sample:
    """Rows kept by priority sampling: of rows with weights w and uniform draws u those with the highest w / u.

    Weights are kept as logarithms, since those of a stream that fades grow without bound.

    Parameters
    ----------
    room : rows that are kept
    width : features of a row

    Source
    ------
    Duffield, Lund and Thorup, Priority sampling for estimation of arbitrary subset sums, JACM 54 (6), 2007, section 2.
    """

    def __init__(self, room: int, width: int) -> None:
        self._room = room
        self._rows = [np.empty((0, width), np.float32)]
        # priority, weight and center of each row
        self._logs = [np.empty((0, 3))]
        self._count = 0
        self._threshold = -np.inf

    @property
    def rows(self) -> NDArray[np.float32]:
        """The rows, (n_kept, n_features)."""
        return self._rows[0]

    @property
    def cells(self) -> NDArray[np.int64]:
        """The center that each row came to."""
        return self._logs[0][:, 2].astype(np.int64)

    def add(
        self,
        rows: Callable[[NDArray[np.int64]], NDArray[np.float32]],
        labels: NDArray[np.int64],
        draws: NDArray[np.float64],
        log_weight: float,
    ) -> None:
        """Offer the rows of a mini-batch.

        Parameters
        ----------
        rows : gives those of some indices
        labels : (n_rows,) the center that each row came to
        draws : (n_rows,) uniform in [0, 1)
        log_weight : what one of the rows counts
        """
        # log w - log (1 - u) > threshold, without a logarithm of each
        taken = np.flatnonzero(draws > 1 - np.exp(log_weight - self._threshold))
        if not len(taken):
            return
        priorities = log_weight - np.log1p(-draws[taken])
        self._rows.append(rows(taken))
        self._logs.append(np.column_stack([priorities, np.full(len(taken), log_weight), labels[taken]]))
        self._count += len(taken)
        # with room to spare, so that rows are not moved for each mini-batch
        if self._count > 2 * self._room:
            self.cut()

    def cut(self) -> None:
        """Drop what has no room."""
        rows, logs = np.concatenate(self._rows), np.concatenate(self._logs)
        if len(rows) > self._room:
            # the highest of those that go
            self._threshold = float(np.partition(logs[:, 0], len(logs) - self._room - 1)[len(logs) - self._room - 1])
            kept = logs[:, 0] > self._threshold
            rows, logs = rows[kept], logs[kept]
        self._rows, self._logs, self._count = [rows], [logs], len(rows)

    def rename(self, old: int, new: int) -> None:
        """Have the rows of one center belong to another."""
        for logs in self._logs:
            logs[logs[:, 2] == old, 2] = new

    def gather(self, cluster: Cluster) -> None:
        """Make this the sample of all hosts' rows."""
        self.cut()
        self._threshold = max(float(each[0]) for each in cluster.gather(np.array([self._threshold])))
        rows = np.concatenate(cluster.gather(self._rows[0]))
        logs = np.concatenate(cluster.gather(self._logs[0]))
        kept = logs[:, 0] > self._threshold
        self._rows, self._logs = [rows[kept]], [logs[kept]]
        self.cut()

    def weights(self) -> NDArray[np.float64]:
        """Return what each row stands for, up to a common factor."""
        logs = np.maximum(self._logs[0][:, 1], self._threshold)
        return np.exp(logs - logs.max()) if len(logs) else logs
