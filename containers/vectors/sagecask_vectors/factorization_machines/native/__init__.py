"""The compiled machine: scores, gradients and steps that cost time for the values other than zero alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float32]
    Integers = NDArray[np.int32]
    Ends = NDArray[np.int64]
    Rates = tuple[float, float, float]

__all__ = ["LOSSES", "Machine", "arrays_of", "scores"]

# machine.h has the same order
LOSSES = ("squared", "logistic")


class CompiledMachine(Protocol):
    """Weights of the caller, which every step changes in place, and the moments of Adam.

    Rows are `values`, (n_rows, n_features), or `values`, `columns` and `ends` of CSR rows; `arrays_of` makes both.
    All arrays are C-contiguous. `answers` gets each row's score before the step that the row takes part in.

    bias, linear, factors : (1,), (n_features,) and (n_features, n_factors) float32
    loss : position in LOSSES
    rates, decays : of bias, linear weights and factors
    epsilon, clip : of the optimizer; an infinite `clip` leaves gradients as they are
    """

    def __init__(  # noqa: PLR0913, PLR0917 - by position, from one place
        self, bias: Floats, linear: Floats, factors: Floats, loss: int, rates: Rates, decays: Rates, epsilon: float,
        clip: float, /,
    ) -> None: ...  # fmt: skip

    def train(  # noqa: PLR0913, PLR0917
        self, values: Floats, columns: Integers | None, ends: Ends | None, labels: Floats, answers: Floats, size: int,
        scale: float, /,
    ) -> None:  # fmt: skip
        """Step after every `size` rows and after the last; a `scale` of 0 takes the mean over a mini-batch's rows."""

    def add(
        self, values: Floats, columns: Integers | None, ends: Ends | None, labels: Floats, answers: Floats, /
    ) -> int:
        """Add rows to the gradient that `take` gives; return how many features it has so far."""

    def take(self, touched: Integers, linear: Floats, factors: Floats, /) -> float:
        """Write the features of the gradient, in any order, and their sums; forget it; return that of the bias."""

    def step(self, touched: Integers, bias: float, linear: Floats, factors: Floats, scale: float, /) -> None:
        """Step once by sums of gradients times `scale`; `touched` rises."""


class CompiledScores(Protocol):
    """Writes the scores of rows to `answers`, (n_rows,) float32."""

    def __call__(  # noqa: PLR0913, PLR0917
        self, values: Floats, columns: Integers | None, ends: Ends | None, bias: Floats, linear: Floats,
        factors: Floats, answers: Floats, /,
    ) -> None: ...  # fmt: skip


_compiled = import_module("sagecask_vectors.factorization_machines.native._compiled")
Machine = cast("type[CompiledMachine]", _compiled.Machine)
scores = cast("CompiledScores", _compiled.scores)


def arrays_of(features: NDArray[np.float32] | csr_matrix) -> tuple[Floats, Integers | None, Ends | None]:
    """Return values, columns and ends of rows, dense or CSR, as the compiled code takes them."""
    if isinstance(features, np.ndarray):
        return np.ascontiguousarray(features, np.float32), None, None
    ends = features.indptr.astype(np.int64)
    count = int(ends[-1])
    values = np.ascontiguousarray(features.data[:count], np.float32)
    return values, np.ascontiguousarray(features.indices[:count], np.int32), ends
