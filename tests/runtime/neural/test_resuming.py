"""Checkpoints: a training that was interrupted ends as one that was not, and what is no checkpoint of it is refused."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from sagecask.errors import ModelDataError
from sagecask.neural.fit import fit
from sagecask.neural.randomness import random_state, set_random_state
from sagecask.neural.weights import load_weights, save_weights
from sagecask.testing.job_directory import JobDirectory


def schedules():
    scheduler = torch.optim.lr_scheduler
    return {
        "none": (None, "epoch"),
        "one cycle": (partial(scheduler.OneCycleLR, max_lr=0.02, total_steps=100, cycle_momentum=False), "batch"),
        "steps": (partial(scheduler.MultiStepLR, milestones=[1, 3], gamma=0.5), "epoch"),
        "plateau": (partial(scheduler.ReduceLROnPlateau, factor=0.5, patience=0), "epoch"),
    }


@pytest.mark.parametrize("name", list(schedules()))
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9), torch.optim.RMSprop])
def test_resumed_training_is_the_same_bit_for_bit(tiny, one_host, name, optimizer) -> None:
    schedule, per = schedules()[name]
    plan = replace(
        tiny.plan(6), optimizer=partial(optimizer, lr=0.01), schedule=schedule, schedule_per=per, gradient_clip=0.5
    )
    task = tiny.Bend(tiny.data(), dropout=0.2, normalized=True, watched=(5, 4, 3, 4, 5, 6))
    whole = fit(task, plan, one_host()[0])
    # asked before each epoch and in each of its four steps: in the middle of the fifth, then in the third after that
    for times in (22, 2):
        stop_requested = partial(next, iter([False] * times), True)
        stopped = fit(task, plan, one_host(checkpoints=True, stop_requested=stop_requested)[0])
        assert (stopped.epochs, stopped.stopped) == (4, True)
    job, out = one_host(checkpoints=True)
    resumed = fit(task, plan, job)
    assert (resumed.epoch, resumed.loss, resumed.epochs) == (whole.epoch, whole.loss, whole.epochs) == (2, 3, 6)
    assert all(torch.equal(resumed.weights[key], whole.weights[key]) for key in whole.weights)
    assert out.getvalue().count("#progress_metric") == 2
    last = job.checkpoints.folder / "checkpoint.5"
    bytes_resumed = last.read_bytes()
    for path in job.checkpoints.folder.iterdir():
        path.unlink()
    fit(task, plan, one_host(checkpoints=True)[0])
    assert last.read_bytes() == bytes_resumed


def test_finished_training_is_not_repeated(tiny, one_host) -> None:
    first = fit(tiny.Bend(tiny.data()), tiny.plan(3), one_host(checkpoints=True)[0])
    job, out = one_host(checkpoints=True)
    again = fit(tiny.Bend(tiny.data()), tiny.plan(3), job)
    assert out.getvalue() == ""
    assert all(torch.equal(first.weights[name], again.weights[name]) for name in first.weights)


def test_more_epochs_go_on_from_the_last_one(tiny, one_host) -> None:
    fit(tiny.Bend(tiny.data()), tiny.plan(3), one_host(checkpoints=True)[0])
    more = fit(tiny.Bend(tiny.data()), tiny.plan(5), one_host(checkpoints=True)[0])
    whole = fit(tiny.Bend(tiny.data()), tiny.plan(5), one_host()[0])
    assert all(torch.equal(more.weights[name], whole.weights[name]) for name in whole.weights)


def test_a_damaged_checkpoint_is_put_aside_for_the_one_before(tiny, one_host, caplog) -> None:
    job, _ = one_host(checkpoints=True)
    task = tiny.Bend(tiny.data())
    whole = fit(task, tiny.plan(4), job)
    newest = job.checkpoints.folder / "checkpoint.3"
    newest.write_bytes(newest.read_bytes()[:-7])
    caplog.clear()
    caplog.set_level("INFO")
    job, out = one_host(checkpoints=True)
    again = fit(task, tiny.plan(4), job)
    assert all(torch.equal(again.weights[name], whole.weights[name]) for name in whole.weights)
    assert caplog.messages[0].startswith("checkpoint.3: a whole checkpoint is needed; got ")
    assert caplog.messages[0].endswith("; it is checkpoint.3.damaged now")
    assert caplog.messages[1] == "resuming from checkpoint.2: 3 epochs are done"
    assert out.getvalue().count("#progress_metric") == 1


def test_a_checkpoint_of_other_settings_is_refused(tiny, one_host) -> None:
    task = tiny.Bend(tiny.data())
    fit(task, tiny.plan(2), one_host(checkpoints=True)[0])
    message = (
        "checkpoint.1: a checkpoint of a job with the same settings is needed; got one with {}: those settings are "
        "needed, or another checkpoint folder"
    )
    for plan, difference in [
        (tiny.plan(2, learning_rate=0.5), "learning_rate 0.01 instead of 0.5"),
        (tiny.plan(2, seed=3), "seed 0 instead of 3"),
        (tiny.plan(2, gradient_clip=3.0), "gradient_clip null instead of 3.0"),
    ]:
        with pytest.raises(ModelDataError) as caught:
            fit(task, plan, one_host(checkpoints=True)[0])
        assert str(caught.value) == message.format(difference)
    with pytest.raises(ModelDataError) as caught:
        fit(tiny.Bend(tiny.data(), normalized=True), tiny.plan(2), one_host(checkpoints=True)[0])
    assert str(caught.value) == message.format("weights of other shapes")


def test_a_file_of_another_kind_is_refused(tiny, one_host) -> None:
    job, _ = one_host(checkpoints=True)
    job.checkpoints.folder.mkdir()
    save_weights(job.checkpoints.folder / "checkpoint.8", {"a": [1.0]}, {})
    with pytest.raises(ModelDataError) as caught:
        fit(tiny.Bend(tiny.data()), tiny.plan(2), job)
    assert str(caught.value) == (
        "checkpoint.8: a checkpoint of this algorithm is needed; got another file: another checkpoint folder is "
        "needed, or an empty one"
    )


def test_random_state_is_taken_from_bytes_that_begin_anywhere() -> None:
    cpu = torch.device("cpu")
    state = random_state(cpu)
    drawn = torch.rand(3)
    for offset in range(1, 8):
        set_random_state(cpu, torch.cat([torch.zeros(offset, dtype=torch.uint8), state])[offset:])
        assert torch.equal(torch.rand(3), drawn)


def test_a_killed_job_ends_as_one_that_was_not(tiny, one_host, tmp_path) -> None:
    job = JobDirectory(tmp_path / "ml").hyperparameters({"trouble": "kill"})
    job.paths.checkpoints.mkdir(parents=True)
    killed = job.train("tiny-network", tiny.ENVIRON)
    assert killed.code == 3
    assert "signal 9 (SIGKILL" in (killed.failure or "")
    assert sorted(path.name for path in job.paths.checkpoints.iterdir()) == ["checkpoint.0", "checkpoint.1"]
    resumed = job.hyperparameters().train("tiny-network", tiny.ENVIRON)
    assert resumed.code == 0, resumed.log
    assert "INFO sagecask.neural.resuming: resuming from checkpoint.1: 2 epochs are done" in resumed.log
    weights, about = load_weights(job.paths.model / "weights.safetensors")
    assert about == {"epoch": 4, "stopped": False}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = fit(tiny.Bend(tiny.data(), dropout=0.2), tiny.scheduled(), one_host()[0])
    torch.set_num_threads(threads)
    assert {name: array.tobytes() for name, array in weights.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in whole.weights.items()
    }
