"""Training jobs on several hosts of this machine, each a process with an address of its own."""

import json
import re
import tarfile

import numpy as np
import pytest

from sagecask.local.description import JobDescription, LocalChannel
from sagecask.local.folder import lay_out, link_inputs
from sagecask.local.hosts import host_names

from .test_run import sagecask_run  # isort: skip

ROWS = np.random.default_rng(1).normal(size=(60, 3))


@pytest.fixture
def folder(tmp_path):
    """Three files of rows, the label first."""
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name, rows in zip(("a.csv", "b.csv", "deep/c.csv"), np.split(ROWS, 3), strict=True):
        np.savetxt(tmp_path / "data" / name, rows, delimiter=",")
    return tmp_path


def components(job) -> np.ndarray:
    with tarfile.open(job / "model.tar.gz") as archive:
        file = archive.extractfile("model_algo-1")
        assert file is not None
        (job / "read").write_bytes(file.read())
    with np.load(job / "read") as arrays:
        return np.abs(arrays["v"])


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_two_hosts_share_out_files_and_train_one_model(folder, mode):
    done = sagecask_run(
        "pca", "--train", "data", "--content-type", "text/csv;label_size=0", "--input-mode", mode, "--hosts", "2",
        "--sharded", "train", "-H", "feature_dim=3", "-H", "num_components=2", "-H", "mini_batch_size=7",
        "--output", "two", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.partition(" | ")[0] for line in done.stdout.splitlines()} == {"127.0.0.1", "127.0.0.2"}
    of_all_rows = np.linalg.svd(ROWS - ROWS.mean(axis=0))[2][1::-1].T
    np.testing.assert_allclose(components(folder / "two"), np.abs(of_all_rows), rtol=1e-4, atol=1e-5)
    resources = json.loads((folder / "two/hosts/127.0.0.2/input/config/resourceconfig.json").read_text())
    assert (resources["current_host"], resources["hosts"]) == ("127.0.0.2", ["127.0.0.1", "127.0.0.2"])


def test_the_failure_of_one_host_is_that_of_the_job(folder):
    (folder / "data" / "b.csv").write_text("1,2,wrong\n")
    done = sagecask_run(
        "pca", "--train", "data", "--content-type", "text/csv;label_size=0", "--hosts", "2", "--sharded", "train",
        "-H", "feature_dim=3", "-H", "num_components=2", "-H", "mini_batch_size=7", "--output", "out", folder=folder,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    last = done.stderr.splitlines()[-1]
    assert re.match(
        r'sagecask: training job failed with exit code 1: ClientError: channel "train", b\.csv, line 1', last
    )
    assert not (folder / "out" / "model.tar.gz").exists()


def test_sharded_files_are_dealt_out_whole_and_others_go_to_every_host(folder):
    channels = {
        "train": LocalChannel(folder / "data", distribution="ShardedByS3Key"),
        "test": LocalChannel(folder / "data"),
    }
    job = JobDescription("pca", channels, hosts=4)
    names = host_names(4, containers=False)
    found = {}
    for rank, name in enumerate(names):
        paths = lay_out(job.of_host(rank), folder / name, names, rank)
        link_inputs(job.of_host(rank), paths)
        found[name] = [
            sorted(
                path.relative_to(paths.data / channel).as_posix() for path in (paths.data / channel).glob("**/*.csv")
            )
            for channel in ("train", "test")
        ]
        assert (paths.data / "train").is_dir()
        assert json.loads(paths.input_data_config.read_text())["train"]["S3DistributionType"] == "ShardedByS3Key"
    everything = ["a.csv", "b.csv"]
    assert [each[0] for each in found.values()] == [["a.csv"], ["b.csv"], ["deep/c.csv"], []]
    assert all(set(everything) <= set(each[1]) for each in found.values())


def test_hosts_of_containers_are_named_as_on_the_platform():
    names = host_names(11, containers=True)
    assert names[:3] == ("algo-1", "algo-10", "algo-11")
    assert host_names(1, containers=False) == ("algo-1",)
