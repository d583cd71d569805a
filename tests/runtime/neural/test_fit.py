"""Training in this process: what is learned, watched, said and repeated."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from sagecask.errors import AlgorithmError, TrainingStopped, UserError
from sagecask.neural.compiler import uncompiled
from sagecask.neural.fit import fit
from sagecask.neural.task import Part


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_weights_are_those_of_a_plain_loop(tiny, one_host) -> None:
    job, _ = one_host()
    task = tiny.Bend(tiny.data())
    fitted = fit(task, tiny.plan(3), job)
    start = fit(task, tiny.plan(1, learning_rate=0.0), job).weights
    module = task.module()
    module.load_state_dict(start)
    optimizer = uncompiled(partial(torch.optim.Adam, lr=0.01), module.parameters())
    for epoch in range(3):
        for batch in task.batches(epoch, np.random.default_rng([0, epoch]), Part()):
            optimizer.zero_grad()
            loss, count = task.loss(module, batch)
            (loss / count).backward()
            optimizer.step()
    assert same(fitted.weights, dict(module.state_dict()))


def test_same_seed_same_weights_and_another_seed_others(tiny, one_host) -> None:
    job, _ = one_host()
    task = tiny.Bend(tiny.data(), dropout=0.3, normalized=True)
    first, second, other = (fit(task, tiny.scheduled(3, seed=seed), job) for seed in (1, 1, 2))
    assert same(first.weights, second.weights)
    assert not same(first.weights, other.weights)


def test_gradients_are_clipped_by_their_common_norm(tiny, one_host) -> None:
    job, _ = one_host()
    plan = replace(tiny.plan(1), optimizer=partial(torch.optim.SGD, lr=1.0), gradient_clip=1e-3)
    task = tiny.Bend(tiny.data())
    before = fit(task, replace(plan, gradient_clip=0.0), job).weights
    after = fit(task, plan, job).weights
    moved = math.sqrt(sum(float(((after[name] - before[name]) ** 2).sum()) for name in after))
    # four steps of 0.001 each
    assert 0 < moved <= 4e-3 * (1 + 1e-3)


@pytest.mark.parametrize(
    ("per", "schedule", "rates"),
    [
        ("epoch", partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5), [1, 0.5, 0.25]),
        ("batch", partial(torch.optim.lr_scheduler.StepLR, step_size=4, gamma=0.1), [1, 0.1, 0.01]),
        ("epoch", partial(torch.optim.lr_scheduler.ReduceLROnPlateau, factor=0.1, patience=0), [1, 1, 0.1]),
    ],
)
def test_schedules_step_by_epoch_by_batch_or_on_a_plateau(tiny, one_host, per, schedule, rates) -> None:
    job, _ = one_host()
    seen = []

    class Watching(torch.optim.SGD):
        def step(self, closure=None):
            seen.append(self.param_groups[0]["lr"])

    plan = replace(tiny.plan(3), optimizer=partial(Watching, lr=1.0), schedule=schedule, schedule_per=per)
    # a value that does not change is a plateau
    fit(tiny.Bend(tiny.data() * 0, watched=(1.0, 1.0, 1.0)), plan, job)
    assert seen[::4] == pytest.approx(rates)


def test_best_epoch_is_kept_and_patience_ends_training(tiny, one_host) -> None:
    job, _ = one_host()
    watched = (3.0, 1.0, 2.0, 0.95, 1.5, 0.1)
    task = tiny.Bend(tiny.data(), watched=watched)
    fitted = fit(task, replace(tiny.plan(6), patience=3, tolerance=0.1), job)
    assert (fitted.epoch, fitted.loss, fitted.epochs, fitted.stopped) == (1, 1.0, 5, False)
    assert same(fitted.weights, fit(task, tiny.plan(2), job).weights)


def test_a_watched_value_that_is_no_number_is_the_worst(tiny, one_host) -> None:
    job, _ = one_host()
    fitted = fit(tiny.Bend(tiny.data(), watched=(math.nan, 5.0, math.nan)), tiny.plan(3), job)
    assert (fitted.epoch, fitted.loss) == (1, 5.0)


def test_metric_lines(tiny, one_host) -> None:
    job, out = one_host()
    fitted = fit(tiny.Bend(tiny.data()), replace(tiny.plan(2), batches_per_line=3), job)
    number = r"\d+\.\d+(e-\d+)?"
    batch = r"#quality_metric: host=algo-1, epoch={}, batch={} train loss <loss>=" + number
    epoch = r"#quality_metric: host=algo-1, epoch={}, train loss <loss>=" + number
    progress = r"#progress_metric: host=algo-1, completed {} % of epochs"
    speed = r"#throughput_metric: host=algo-1, train throughput=" + number + " records/second"
    expected = [
        *(batch.format(0, 0), batch.format(0, 3), epoch.format(0), progress.format(50), speed),
        *(batch.format(1, 0), batch.format(1, 3), epoch.format(1), progress.format(100), speed),
    ]
    lines = out.getvalue().splitlines()
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line
    assert lines[7].endswith(f"={fitted.loss!r}")


def test_a_loss_that_is_no_number_in_the_first_epoch_is_refused(tiny, one_host) -> None:
    job, _ = one_host()
    rows = tiny.data()
    rows[7] = np.inf
    message = (
        r"training, epoch 0, mini-batch \d: the loss must be a finite number; got another: learning_rate may be too "
        "high, or a value of the data too large"
    )
    with pytest.raises(UserError, match=f"^{message}$"):
        fit(tiny.Bend(rows), tiny.plan(2), job)


def test_a_later_divergence_leaves_the_best_epoch(tiny, one_host, caplog) -> None:
    job, _ = one_host()

    def soon(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1e30 if epoch == 2 else 1.0)

    task = tiny.Bend(tiny.data())
    fitted = fit(task, replace(tiny.plan(6), schedule=soon), job)
    assert (fitted.epoch, fitted.epochs, fitted.stopped) == (1, 2, False)
    assert all(bool(weights.isfinite().all()) for weights in fitted.weights.values())
    assert caplog.messages[0] == (
        "epoch 2: the loss is no finite number any more, learning_rate may be too high: training ends with the weights "
        "of epoch 1"
    )


def test_a_stop_ends_after_the_current_step_with_the_best_epoch(tiny, one_host) -> None:
    # asked before each epoch and in each of its four steps
    asked = iter([False] * 12)
    job, _ = one_host(stop_requested=lambda: next(asked, True))
    task = tiny.Bend(tiny.data())
    fitted = fit(task, tiny.plan(5), job)
    assert (fitted.epoch, fitted.epochs, fitted.stopped) == (1, 2, True)
    assert same(fitted.weights, fit(task, tiny.plan(2), one_host()[0]).weights)


def test_a_stop_in_the_first_epoch_leaves_the_weights_so_far(tiny, one_host) -> None:
    asked = iter([False] * 2)
    job, _ = one_host(stop_requested=lambda: next(asked, True))
    fitted = fit(tiny.Bend(tiny.data()), tiny.plan(5), job)
    assert (fitted.epoch, fitted.epochs, fitted.stopped) == (None, 0, True)
    assert 0 < fitted.loss < 10


def test_a_stop_before_the_first_step_leaves_nothing(tiny, one_host) -> None:
    job, _ = one_host(stop_requested=lambda: True)
    with pytest.raises(TrainingStopped):
        fit(tiny.Bend(tiny.data()), tiny.plan(5), job)


def test_an_epoch_without_a_batch_is_the_algorithms_fault(tiny, one_host) -> None:
    job, _ = one_host()
    with pytest.raises(AlgorithmError, match=r"^training: an epoch must have a mini-batch at least; got none$"):
        fit(tiny.Bend(tiny.data()[:0]), tiny.plan(5), job)


@pytest.mark.parametrize(("n_rows", "size"), [(7, 3), (2, 4), (0, 2), (8, 2)])
def test_parts_of_a_batch_are_all_of_it(n_rows: int, size: int) -> None:
    parts = [list(range(n_rows))[Part(rank, size).of(n_rows)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(n_rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert bool(parts[0]) == bool(n_rows)


def test_torch_is_left_as_it_was(tiny, one_host) -> None:
    before = torch.get_deterministic_debug_mode()
    fit(tiny.Bend(tiny.data()), tiny.plan(1), one_host()[0])
    assert torch.get_deterministic_debug_mode() == before


def test_weights_are_read_without_torch() -> None:
    code = "import sys, sagecask.neural.weights; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
