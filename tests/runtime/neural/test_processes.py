"""Several processes on a host, and several hosts: they train one network, stop together and fail with one sentence."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from sagecask.errors import AlgorithmError, UserError
from sagecask.neural.fit import fit
from sagecask.neural.launch import fit_on
from sagecask.neural.parcel import Parcel, unpack
from sagecask.neural.weights import load_weights
from sagecask.testing.hosts import HOSTS, train_on_hosts
from sagecask.testing.job_directory import JobDirectory

TWO = [torch.device("cpu")] * 2


def children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def test_two_processes_train_what_one_does(tiny, one_host, capfd) -> None:
    job, out = one_host()
    task, plan = tiny.Bend(tiny.data()), tiny.scheduled()
    one, two = fit(task, plan, job), fit(task, plan, job, TWO)
    assert (two.epoch, two.epochs, two.stopped) == (one.epoch, one.epochs, False)
    assert two.loss == pytest.approx(one.loss, rel=1e-6)
    for name, weights in one.weights.items():
        # sums of two halves are rounded otherwise than those of the whole
        np.testing.assert_allclose(two.weights[name], weights, rtol=1e-4, atol=1e-6)
    # the second process says nothing, the first what one process says
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("#progress")]
    assert lines == [line for line in out.getvalue().splitlines() if line.startswith("#progress")]


def test_a_stop_ends_all_processes_at_the_same_step(tiny, one_host) -> None:
    # never comes to its end by itself
    plan = tiny.plan(10**6)
    job, _ = one_host(checkpoints=True)
    job, _ = one_host(checkpoints=True, stop_requested=lambda: bool(job.checkpoints.steps()))
    fitted = fit_on(TWO, tiny.Bend(tiny.data()), plan, job)
    assert fitted.stopped
    # the last checkpoint is of the epoch that was interrupted
    assert fitted.epochs == max(job.checkpoints.steps())
    assert children() == []


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        ("refuse", UserError, 'channel "train", part-0.csv, line 7: 2 columns; got 3'),
        (
            "kill",
            AlgorithmError,
            "training process 1 of 2: must end by itself; got signal 9 (SIGKILL: killed from outside, mostly for want "
            "of memory)",
        ),
    ],
)
def test_what_fails_in_one_process_fails_the_job(tiny, one_host, trouble, kind, message) -> None:
    job, _ = one_host()
    with pytest.raises(kind) as caught:
        fit_on(TWO, tiny.Bend(tiny.data(), trouble=trouble, at=1), tiny.plan(5), job)
    assert str(caught.value) == message
    assert children() == []


def on_hosts(tmp_path: Path, **hyperparameters: object) -> list[JobDirectory]:
    return [JobDirectory(tmp_path / host).hyperparameters(hyperparameters).host(host, HOSTS) for host in HOSTS]


def test_two_hosts_stop_together_and_go_on_as_one_would(tiny, one_host, tmp_path, monkeypatch) -> None:
    for name, value in tiny.ENVIRON.items():
        monkeypatch.setenv(name, value)
    # SIGTERM comes to the second host alone
    jobs = on_hosts(tmp_path, trouble="stop", at=1)
    # the others have no checkpoints, and get the first one's
    jobs[0].paths.checkpoints.mkdir()
    outcomes = train_on_hosts(jobs, "tiny-network")
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert load_weights(jobs[0].paths.model / "weights.safetensors")[1] == {"epoch": 1, "stopped": True}
    # two processes on each host go on with what one on each has begun
    for job in jobs:
        job.hyperparameters({"processes": 2})
    outcomes = train_on_hosts(jobs, "tiny-network")
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert "resuming from checkpoint.2: 2 epochs and 3 mini-batches are done" in outcomes[0].log
    weights, about = load_weights(jobs[0].paths.model / "weights.safetensors")
    one = fit(tiny.Bend(tiny.data()), tiny.scheduled(), one_host()[0])
    assert about == {"epoch": one.epoch, "stopped": False}
    for name, array in weights.items():
        np.testing.assert_allclose(array, one.weights[name], rtol=1e-4, atol=1e-6)
    # both print the values of all, each under its own name
    values = [re.findall(r"^#quality_metric: host=\S+, (.*)$", outcome.log, re.MULTILINE) for outcome in outcomes]
    assert len(values[0]) == 3
    assert values[0] == values[1]


def test_a_killed_host_ends_the_other_with_a_sentence(tiny, tmp_path, monkeypatch) -> None:
    for name, value in tiny.ENVIRON.items():
        monkeypatch.setenv(name, value)
    outcomes = train_on_hosts(on_hosts(tmp_path, trouble="kill", at=1), "tiny-network")
    assert [outcome.code for outcome in outcomes] == [3, 3]
    assert "must end by itself; got signal 9 (SIGKILL" in (outcomes[1].failure or "")
    assert (outcomes[0].failure or "").startswith(
        f"InternalServerError: {HOSTS[0]}: every host must stay until the job's end; one has ended or cannot be reached"
    )


def test_a_parcel_gives_back_what_was_put_in_without_copies() -> None:
    array = np.arange(1000.0).reshape(10, 100)
    with Parcel({"rows": array, "name": "a", "none": np.zeros((0, 3))}) as parcel:
        value = unpack(parcel.descriptor)
        other = unpack(parcel.descriptor)
    assert value["name"] == "a"
    assert value["none"].shape == (0, 3)
    np.testing.assert_array_equal(value["rows"], array)
    value["rows"][:] = 0
    np.testing.assert_array_equal(other["rows"], array)
    assert not other["rows"].flags.owndata
