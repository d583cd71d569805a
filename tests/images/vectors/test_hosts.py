"""Containers as the hosts of one training job, in a network of their own, as the platform names them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import docker
import numpy as np
import pytest

from sagecask.local.container import LABEL
from sagecask.local.description import read_yaml
from sagecask.local.run import run

pytestmark = pytest.mark.image

EXAMPLES = Path(__file__).parents[3] / "containers" / "vectors" / "examples"


def learned(folder: Path) -> dict[str, np.ndarray]:
    """Return the numbers of a model."""
    with np.load(folder / "model" / "model_algo-1") as arrays:
        return {name: array for name, array in arrays.items() if array.dtype.kind in "fiu"}


@pytest.mark.parametrize("name", ["kmeans", "linear-learner", "pca"])
def test_two_containers_learn_together_what_one_learns_alone(name, tmp_path, capsys):
    job = read_yaml(EXAMPLES / name / "job.yaml")
    for hosts in (1, 2):
        description = replace(job, hosts=hosts, output=tmp_path / str(hosts))
        assert run(description, "docker", os.environ, terminal=False) == 0
    said = capsys.readouterr().out
    assert "algo-1 | " in said
    assert "algo-2 | " in said
    resources = json.loads(
        (tmp_path / "2" / "hosts" / "algo-2" / "input" / "config" / "resourceconfig.json").read_text()
    )
    assert (resources["current_host"], resources["hosts"]) == ("algo-2", ["algo-1", "algo-2"])
    assert resources["network_interface_name"] == "eth0"
    alone, together = learned(tmp_path / "1"), learned(tmp_path / "2")
    assert alone
    assert alone.keys() == together.keys()
    for array in alone:
        # sums of two hosts' sums, over float32 rows
        np.testing.assert_allclose(together[array], alone[array], rtol=1e-3, atol=1e-4, err_msg=array)


def test_no_container_or_network_is_left():
    client = docker.from_env()
    left = [
        *client.containers.list(all=True, filters={"label": LABEL}),
        *client.networks.list(filters={"label": LABEL}),
    ]
    client.close()
    assert left == []
