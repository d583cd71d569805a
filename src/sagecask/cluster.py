"""The hosts of a training job, or processes on them, seen from one, and what they tell one another.

Hosts meet at the first one's rendezvous port and talk over torch.distributed's gloo. A job of one host imports none of
it: every sum is then its own.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sagecask.errors import PeerLost, PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
SILENCE = timedelta(hours=2)
"""How long a host may take to come to the next exchange."""


@dataclass(frozen=True)
class Cluster:
    """Hosts in the order that all of them agree on.

    Every method that exchanges something must be called by all hosts, in the same order and with equal shapes.

    hosts : names, sorted as text (algo-10 before algo-2)
    current : name of this host
    interface : network interface that the hosts share, where this host has one of that name
    port : where the first host listens while they meet
    timeout_seconds : how long hosts wait for one another's names and processes
    process, processes : number of this process on its host, from 0, and how many every host has
    store : address at which a process that is none of these already listens in the first one's stead
    """

    hosts: tuple[str, ...]
    current: str
    interface: str | None = None
    port: int = 29500
    timeout_seconds: int = 900
    process: int = 0
    processes: int = 1
    store: str | None = None

    @property
    def rank(self) -> int:
        """Position of this host, from 0; of this process where hosts have several."""
        return self.hosts.index(self.current) * self.processes + self.process

    @property
    def size(self) -> int:
        """Number of hosts, or of all their processes."""
        return len(self.hosts) * self.processes

    @property
    def is_master(self) -> bool:
        """Whether this is the one that writes what only one may write."""
        return self.rank == 0

    def sum(self, *arrays: NDArray[Any]) -> None:
        """Replace each array, in place, by its sum over all hosts: one exchange for each dtype.

        Parameters
        ----------
        arrays : C-contiguous, float32, float64 or int64, of any shape, the same on every host

        Raises
        ------
        PeerLost : a host could not be reached, or has ended
        """
        if self.size == 1:
            return
        for dtype in dict.fromkeys(array.dtype for array in arrays):
            same = [array for array in arrays if array.dtype == dtype]
            joined = same[0].reshape(-1) if len(same) == 1 else np.concatenate([array.reshape(-1) for array in same])
            with self.exchange() as engine:
                engine.all_reduce(_tensor(joined))
            if len(same) > 1:
                parts = np.split(joined, np.cumsum([array.size for array in same])[:-1])
                for array, part in zip(same, parts, strict=True):
                    array[...] = part.reshape(array.shape)

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any host.

        Raises
        ------
        PeerLost : as `sum`
        """
        count = np.array([int(flag)], dtype=np.int64)
        self.sum(count)
        return bool(count[0])

    def gather(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays of all hosts, or processes, in their order; they may differ in the first axis's length.

        Raises
        ------
        PeerLost : as `sum`
        """
        if self.size == 1:
            return [array]
        lengths = np.zeros(self.size, dtype=np.int64)
        lengths[self.rank] = len(array)
        self.sum(lengths)
        padded = np.zeros((int(lengths.max()), *array.shape[1:]), dtype=array.dtype)
        padded[: len(array)] = array
        received = [np.empty_like(padded) for _ in lengths]
        with self.exchange() as engine:
            engine.all_gather([_tensor(each) for each in received], _tensor(padded))
        return [each[:length] for each, length in zip(received, lengths, strict=True)]

    def broadcast(self, array: NDArray[Any]) -> None:
        """Replace an array, in place, by that of the first host.

        Raises
        ------
        PeerLost : as `sum`
        """
        if self.size > 1:
            with self.exchange() as engine:
                engine.broadcast(_tensor(array), src=0)

    def leave(self) -> None:
        """Wait until every host has come here, and part; without any exchange before there is nothing to do."""
        if "_engine" in self.__dict__:
            self.any(flag=False)
            self.abandon()

    def abandon(self) -> None:
        """Part without waiting for the others, whose next exchange fails; needed before a failed job's end."""
        # threads of a group that is left to Python's end abort the process
        if "_engine" in self.__dict__ and self._engine.is_initialized():
            self._engine.destroy_process_group()

    @contextmanager
    def exchange(self) -> Iterator[Any]:
        """Give torch.distributed, all hosts having met, for exchanges other than the above.

        Raises
        ------
        PeerLost : a host could not be reached, or has ended
        """
        try:
            yield self._engine
        except RuntimeError as error:
            self.abandon()
            raise PeerLost(
                f"{self.current}: every host must stay until the job's end; one has ended or cannot be reached, and "
                f"its own log says why ({_first_sentence(error)})"
            ) from error

    @cached_property
    def _engine(self) -> Any:  # noqa: ANN401 - a module
        """torch.distributed, once all hosts have met."""
        import torch.distributed as engine  # noqa: PLC0415 - jobs of one host do without it

        if len(self.hosts) > 1:
            _resolve(self.hosts, time.monotonic() + self.timeout_seconds)
        interface = self._shared_interface()
        if interface:
            os.environ["GLOO_SOCKET_IFNAME"] = interface
            # for GPUs, unless someone knows better
            os.environ.setdefault("NCCL_SOCKET_IFNAME", interface)
        where = self.store or self.hosts[0]
        _log.info("meeting %d %s at %s, port %d", self.size, "processes" if self.store else "hosts", where, self.port)
        listens = self.is_master and self.store is None
        try:
            store = engine.TCPStore(  # type: ignore[attr-defined]
                where, self.port, self.size, listens, timeout=timedelta(seconds=self.timeout_seconds)
            )
            engine.init_process_group("gloo", store=store, rank=self.rank, world_size=self.size, timeout=SILENCE)
        except RuntimeError as error:
            raise PlatformError(
                f"{self.current}: all {self.size} hosts ({', '.join(self.hosts)}) must meet at {self.hosts[0]}, port "
                f"{self.port}, within {self.timeout_seconds} s; got {_first_sentence(error)}"
            ) from error
        return engine

    def _shared_interface(self) -> str | None:
        """Return the named interface where there is one, or the loopback for one host or addresses of it."""
        names = [name for _, name in socket.if_nameindex()]
        if len(self.hosts) == 1:
            return "lo" if "lo" in names else None
        if ipaddress.ip_address(socket.gethostbyname(self.current)).is_loopback and "lo" in names:
            return "lo"
        return self.interface if self.interface in names else None


def _resolve(hosts: Sequence[str], deadline: float) -> None:
    """Wait until every name has an address: names of other hosts may come late (contract 2.12)."""
    for host in hosts:
        while True:
            try:
                socket.gethostbyname(host)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise PlatformError(f"{host}: the host's name must resolve; got {error.strerror}") from error
                time.sleep(0.5)
            else:
                break


def _first_sentence(error: RuntimeError) -> str:
    """Return what went wrong, without the engine's own source line and advice."""
    return re.sub(r"^\[[^]]*\] ", "", str(error)).partition(". ")[0]


def _tensor(array: NDArray[Any]) -> Any:  # noqa: ANN401 - a tensor
    import torch  # noqa: PLC0415 - as in Cluster._engine

    return torch.from_numpy(array)
