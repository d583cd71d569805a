"""What a factorization machine learns, and how it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sagecask_vectors.factorization_machines.native import arrays_of, scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SEED = 0
# bytes between the places at which a fetched line of memory begins
_LINE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A row x scores bias + linear · x + the sum over pairs i < j of <factors_i, factors_j> x_i x_j.

    bias : (1,) float32
    linear : (n_features,) float32
    factors : (n_features, n_factors) float32
    """

    bias: NDArray[np.float32]
    linear: NDArray[np.float32]
    factors: NDArray[np.float32]

    def scores(self, features: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
        """Return (n_rows,) scores of rows of n_features, dense or CSR; the same for both."""
        answers = np.empty(features.shape[0], np.float32)
        scores(*arrays_of(features), self.bias, self.linear, self.factors, answers)
        return answers


@dataclass(frozen=True, slots=True)
class Start:
    """The distribution that a group of weights starts from.

    method : `normal` (of standard deviation `spread`), `uniform` (in [-spread, spread]) or `constant` (`value`)
    """

    method: str
    spread: float = 0
    value: float = 0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return float32 weights."""
        weights = _aligned(shape)
        if self.method == "normal":
            rng.standard_normal(dtype=np.float32, out=weights)
        elif self.method == "uniform":
            rng.random(dtype=np.float32, out=weights)
            weights *= 2
            weights -= 1
        else:
            weights[...] = self.value
            return weights
        weights *= np.float32(self.spread)
        return weights


def _aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an array whose rows of 16 factors each lie in one line of memory."""
    size = int(np.prod(shape))
    store = np.empty(size + _LINE // 4, np.float32)
    skipped = -store.ctypes.data % _LINE // 4
    return store[skipped : skipped + size].reshape(shape)


def start(n_features: int, n_factors: int, bias: Start, linear: Start, factors: Start) -> Weights:
    """Return weights before training, the same in every call and on every host."""
    rng = np.random.default_rng(SEED)
    return Weights(bias.draw(rng, (1,)), linear.draw(rng, (n_features,)), factors.draw(rng, (n_features, n_factors)))
