"""Random maps to fewer dimensions that nearly keep distances and inner products.

`sign` multiplies by a matrix of random signs (Achlioptas, Database-friendly random projections, JCSS 66, 2003, theorem
1.1). `fjlt` flips signs, turns by a Walsh-Hadamard transform and keeps some coordinates (Ailon and Chazelle, The fast
Johnson-Lindenstrauss transform, SIAM J. Comput. 39, 2009, with the sampling of Tropp, Improved analysis of the
subsampled randomized Hadamard transform, 2011, section 1.3). Both need their seed alone to be made again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

GENERATOR = "PCG64"
"""What draws the numbers: only its raw output is used, which numpy never changes."""
_FACTOR_BITS = 6


class Projection(Protocol):
    """A linear map; `input_dim` and `target_dim` are the sizes of rows before and after."""

    input_dim: int
    target_dim: int

    def __call__(self, rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
        """Map (n, input_dim) dense or CSR rows to (n, target_dim) dense ones."""


def projection(kind: str, input_dim: int, target_dim: int, seed: int) -> Projection:
    """Return the map `sign` or `fjlt` that a seed stands for."""
    return (SignProjection if kind == "sign" else FastTransform)(input_dim, target_dim, seed)


class SignProjection:
    """y = x S / sqrt(target_dim), where the entries of S are 1 or -1."""

    def __init__(self, input_dim: int, target_dim: int, seed: int) -> None:
        self.input_dim, self.target_dim = input_dim, target_dim
        self._matrix = _signs(np.random.PCG64(seed), input_dim * target_dim).reshape(input_dim, target_dim)
        self._matrix /= np.float32(math.sqrt(target_dim))

    def __call__(self, rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
        product: NDArray[np.float32] = rows @ self._matrix
        return product


class FastTransform:
    """y = sqrt(n / target_dim) P H D x: random signs D, orthonormal Walsh-Hadamard H, random coordinates P.

    n is the next power of two of input_dim, to which rows are filled up with zeros. H of a high order is a Kronecker
    product of small ones, so that it is applied as a few products of small matrices.
    """

    def __init__(self, input_dim: int, target_dim: int, seed: int) -> None:
        self.input_dim, self.target_dim = input_dim, target_dim
        bits = max(1, (input_dim - 1).bit_length(), (target_dim - 1).bit_length())
        self._size = 1 << bits
        draw = np.random.PCG64(seed)
        scale = np.float32(1 / math.sqrt(target_dim))
        self._signs = _signs(draw, input_dim) * scale
        self._chosen = np.sort(np.argsort(draw.random_raw(self._size), kind="stable")[:target_dim])
        self._factors = [hadamard(min(_FACTOR_BITS, bits - at)) for at in range(0, bits, _FACTOR_BITS)]

    def __call__(self, rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
        turned = np.zeros((len(rows) if isinstance(rows, np.ndarray) else rows.shape[0], self._size), np.float32)
        dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
        np.multiply(dense, self._signs, out=turned[:, : self.input_dim])
        # each factor takes its own axis of the cube; the last one is one large product, as the matrix is symmetric
        turned = turned.reshape(-1, len(self._factors[0])) @ self._factors[0]
        after = len(self._factors[0])
        for factor in self._factors[1:]:
            turned = np.matmul(factor, turned.reshape(-1, len(factor), after))
            after *= len(factor)
        return np.ascontiguousarray(turned.reshape(-1, self._size)[:, self._chosen])


def hadamard(bits: int) -> NDArray[np.float32]:
    """Return Sylvester's matrix of order 2^bits, entries 1 and -1.

    >>> hadamard(1)
    array([[ 1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    matrix = np.ones((1, 1), np.float32)
    for _ in range(bits):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _signs(draw: np.random.PCG64, count: int) -> NDArray[np.float32]:
    raw = draw.random_raw(-(-count // 64)).astype("<u8").view(np.uint8)
    signs = np.unpackbits(raw, count=count).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs
