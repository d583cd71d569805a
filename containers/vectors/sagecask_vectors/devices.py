"""Rows as tensors on the device that training computes on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def tensor(array: NDArray[np.float32], where: torch.device) -> torch.Tensor:
    """Return an array on a device; on the CPU it shares the array's memory, which must not be written then."""
    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array).to(where)


def features(rows: NDArray[np.float32] | csr_matrix, where: torch.device) -> torch.Tensor:
    """Return (n_rows, n_features) float32 rows on a device: dense, or as a sparse CSR tensor.

    A CSR tensor multiplies a dense matrix by `@`; its transpose product is `torch.mm(rows.t(), dense)`.
    """
    if isinstance(rows, np.ndarray):
        return tensor(rows, where)
    parts = torch.from_numpy(rows.indptr), torch.from_numpy(rows.indices), torch.from_numpy(rows.data)
    with warnings.catch_warnings():
        # torch says of every kind of CSR tensor that it is in beta; products are all that is wanted of it
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return torch.sparse_csr_tensor(*parts, size=rows.shape, device=where, check_invariants=False)
