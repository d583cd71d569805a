"""What takes the steps: the compiled machine on one host or with others. `dense.py` has that of GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from sagecask_vectors.factorization_machines.native import LOSSES, Machine, arrays_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from sagecask.cluster import Cluster
    from sagecask_vectors.factorization_machines.native import CompiledMachine
    from sagecask_vectors.factorization_machines.settings import Optimizer
    from sagecask_vectors.factorization_machines.weights import Weights


class Engine(Protocol):
    """Changes weights in place, mini-batch by mini-batch."""

    def learn(
        self, features: NDArray[np.float32] | csr_matrix, labels: NDArray[np.float32], size: int
    ) -> NDArray[np.float32]:
        """Step after every `size` rows and after the last; return each row's score before its step.

        features : (n_rows, n_features) float32, dense or CSR; with several hosts this host's part of one mini-batch
        labels : (n_rows,) float32
        """

    def finish(self) -> None:
        """Leave the weights that were learned in the arrays that were given."""


class CompiledEngine:
    """One host, no GPU."""

    def __init__(self, weights: Weights, optimizer: Optimizer) -> None:
        self._machine = machine_of(weights, optimizer)
        self._scale = optimizer.scale

    def learn(
        self, features: NDArray[np.float32] | csr_matrix, labels: NDArray[np.float32], size: int
    ) -> NDArray[np.float32]:
        answers = np.empty(len(labels), np.float32)
        self._machine.train(*arrays_of(features), labels, answers, size, self._scale)
        return answers

    def finish(self) -> None:
        pass


class SharedEngine:
    """Several hosts without GPUs: each sums the gradients of its rows, all take the step of the sum over hosts.

    Hosts tell one another which features they met, and exchange sums of these alone.
    """

    def __init__(self, weights: Weights, optimizer: Optimizer, cluster: Cluster) -> None:
        self._machine = machine_of(weights, optimizer)
        self._n_factors = weights.factors.shape[1]
        self._scale = optimizer.scale
        self._cluster = cluster

    def learn(
        self,
        features: NDArray[np.float32] | csr_matrix,
        labels: NDArray[np.float32],
        size: int,  # noqa: ARG002 - the mini-batch is whole over all hosts
    ) -> NDArray[np.float32]:
        answers = np.empty(len(labels), np.float32)
        count = self._machine.add(*arrays_of(features), labels, answers)
        own = np.empty(count, np.int32)
        own_linear, own_factors = np.empty(count, np.float32), np.empty((count, self._n_factors), np.float32)
        totals = np.array([self._machine.take(own, own_linear, own_factors), len(labels)])
        touched = np.unique(np.concatenate(self._cluster.gather(own)))
        places = np.searchsorted(touched, own)
        linear, factors = np.zeros(len(touched), np.float32), np.zeros((len(touched), self._n_factors), np.float32)
        linear[places], factors[places] = own_linear, own_factors
        self._cluster.sum(linear, factors, totals)
        self._machine.step(touched, totals[0], linear, factors, self._scale or 1 / totals[1])
        return answers

    def finish(self) -> None:
        pass


def machine_of(weights: Weights, optimizer: Optimizer) -> CompiledMachine:
    """Return the compiled machine over the arrays of `weights`."""
    return Machine(
        weights.bias,
        weights.linear,
        weights.factors,
        LOSSES.index("logistic" if optimizer.logistic else "squared"),
        optimizer.rates,
        optimizer.decays,
        optimizer.epsilon,
        optimizer.clip,
    )
