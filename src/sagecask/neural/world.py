"""All processes that train one network, seen from one of them: its device, its part, and sums over all."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sagecask.neural.task import Part

if TYPE_CHECKING:
    from torch import nn

    from sagecask.cluster import Cluster
    from sagecask.report import Report


class World:
    """Every method must be called by all processes, in the same order.

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
        """Replace a contiguous tensor, in place and where it is, by its sum over all processes.

        Raises
        ------
        PeerLost : a process could not be reached, or has ended
        """
        if self.part.size > 1:
            group = self._group if tensor.is_cuda else None
            with self._cluster.exchange() as engine:
                engine.all_reduce(tensor, group=group)

    def broadcast(self, data: bytes) -> bytes:
        """Return the first process's bytes.

        Raises
        ------
        PeerLost : as `sum`
        """
        if self.part.size == 1:
            return data
        length = np.array([len(data)], dtype=np.int64)
        self._cluster.broadcast(length)
        received = np.frombuffer(bytearray(data) if self.part.rank == 0 else bytearray(length[0]), dtype=np.uint8)
        if length[0]:
            self._cluster.broadcast(received)
        return received.tobytes()

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return (processes, ...), a tensor on the CPU as each process has it.

        Raises
        ------
        PeerLost : as `sum`
        """
        return torch.from_numpy(np.stack(self._cluster.gather(tensor.numpy())))

    def align(self, module: nn.Module, *, weights: bool) -> None:
        """Make a module's buffers of floating point, such as running means, the mean over all processes.

        weights : whether its parameters too

        Raises
        ------
        PeerLost : as `sum`
        """
        if self.part.size == 1:
            return
        for tensor in [*module.buffers(), *(module.parameters() if weights else ())]:
            if tensor.is_floating_point():
                mean = tensor.detach().clone()
                self.sum(mean)
                tensor.data.copy_(mean / self.part.size)

    @cached_property
    def _group(self) -> Any:  # noqa: ANN401 - a group of torch.distributed
        """Processes that exchange tensors from GPU to GPU; what is on the CPU goes another way."""
        with self._cluster.exchange() as engine:
            return engine.new_group(backend="nccl") if engine.is_nccl_available() else None
