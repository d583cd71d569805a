"""Two hosts, each a process, take the steps that one host takes, whichever of the rows each of them has."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
from sagecask_vectors.factorization_machines.engines import CompiledEngine
from sagecask_vectors.factorization_machines.settings import Optimizer
from sagecask_vectors.factorization_machines.weights import Start, start

from sagecask.local.ports import free_port

HOSTS = ("127.0.0.1", "127.0.0.2")
OPTIMIZER = Optimizer(logistic=True, rates=(0.1, 0.03, 0.02), decays=(0.01, 0.02, 0.03), clip=math.inf)
# of four mini-batches, the rows that the first host has; the second one has the others
SHARES = (10, 20, 0, 3)
PROGRAM = """
import sys
import numpy as np
import torch
from scipy.sparse import csr_matrix
from sagecask.cluster import Cluster
from sagecask_vectors.factorization_machines.dense import DenseEngine
from sagecask_vectors.factorization_machines.engines import SharedEngine
sys.path.insert(0, sys.argv[4])
from test_factorization_machines_hosts import HOSTS, OPTIMIZER, SHARES, rows, weights_of
cluster = Cluster(HOSTS, sys.argv[1], "eth0", int(sys.argv[2]), 60)
shared, dense = weights_of(), weights_of()
engines = SharedEngine(shared, OPTIMIZER, cluster), DenseEngine(dense, OPTIMIZER, cluster, torch.device("cpu"))
features, labels = rows()
for index, share in enumerate(SHARES):
    begin, end = 20 * index, 20 * index + 20
    mine = slice(begin, begin + share) if cluster.is_master else slice(begin + share, end)
    engines[0].learn(csr_matrix(features[mine]), labels[mine], 20)
    engines[1].learn(features[mine], labels[mine], 20)
for engine in engines:
    engine.finish()
cluster.leave()
np.savez(sys.argv[3], *(getattr(each, name) for each in (shared, dense) for name in ("bias", "linear", "factors")))
"""


def rows():
    """Return (80, 12) float32 rows, of which most values are zero, and labels."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(80, 12)) * (rng.random((80, 12)) < 0.3)
    return features.astype(np.float32), (rng.random(80) < 0.5).astype(np.float32)


def weights_of():
    return start(12, 5, Start("constant"), Start("normal", 0.1), Start("normal", 0.2))


def test_steps_of_two_hosts_are_those_of_one(tmp_path):
    port, folder = str(free_port()), __file__.rpartition("/")[0]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, host, port, str(tmp_path / f"{host}.npz"), folder])
        for host in HOSTS
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    one = weights_of()
    features, labels = rows()
    CompiledEngine(one, OPTIMIZER).learn(features, labels, 20)
    first, second = (list(np.load(tmp_path / f"{host}.npz").values()) for host in HOSTS)
    for mine, other, wanted in zip(first, second, [one.bias, one.linear, one.factors] * 2, strict=True):
        np.testing.assert_array_equal(mine, other)
        np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-6)
