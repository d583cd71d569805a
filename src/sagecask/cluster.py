"""The hosts of a training job, seen from one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """Hosts in the order that all of them agree on.

    hosts : names, sorted as text (algo-10 before algo-2)
    current : name of this host
    """

    hosts: tuple[str, ...]
    current: str

    @property
    def rank(self) -> int:
        """Position of this host, from 0."""
        return self.hosts.index(self.current)

    @property
    def size(self) -> int:
        """Number of hosts."""
        return len(self.hosts)

    @property
    def is_master(self) -> bool:
        """Whether this host writes what only one host may write."""
        return self.rank == 0
