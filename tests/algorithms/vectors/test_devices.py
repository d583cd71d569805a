"""Rows on the device that training computes on."""

from __future__ import annotations

import numpy as np
import torch
from sagecask_vectors import devices
from scipy.sparse import csr_matrix

CPU = torch.device("cpu")
TABLE = np.array([[0, 1, 0], [2, 0, 3]], np.float32)


def test_tensor_shares_memory_on_the_cpu_unless_it_must_not_be_written():
    table = TABLE.copy()
    assert devices.tensor(table, CPU).data_ptr() == table.ctypes.data
    table.flags.writeable = False
    assert devices.tensor(table, CPU).data_ptr() != table.ctypes.data


def test_features_multiply_alike_dense_and_sparse():
    factor = torch.arange(6, dtype=torch.float32).reshape(3, 2)
    dense, sparse = devices.features(TABLE, CPU), devices.features(csr_matrix(TABLE), CPU)
    assert torch.equal(sparse @ factor, dense @ factor)
    assert torch.equal(torch.mm(sparse.t(), dense), dense.t() @ dense)
