"""All processes that train one network, seen from one of them: its device, its part, and sums over all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagecask.neural.task import Part

if TYPE_CHECKING:
    import torch

    from sagecask.cluster import Cluster
    from sagecask.report import Report


class World:
    """Every method that exchanges something must be called by all processes, in the same order.

    part : which part of every mini-batch this process takes
    hosts : how many hosts there are
    device : where its module is
    report : metric lines; only the first process of a host writes them
    """

    def __init__(self, cluster: Cluster, device: torch.device, report: Report) -> None:
        self.part = Part(cluster.rank, cluster.size)
        self.hosts = len(cluster.hosts)
        self.device = device
        self.report = report
        self._cluster = cluster

    def sum(self, tensor: torch.Tensor) -> None:
        """Replace a contiguous tensor, in place, by its sum over all processes.

        Raises
        ------
        PlatformError : a process could not be reached, or has ended
        """
        if self.part.size > 1:
            self._cluster.sum(tensor.numpy())
