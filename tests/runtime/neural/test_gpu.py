"""The same training on GPUs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sagecask.neural.devices import device, devices
from sagecask.neural.fit import fit

pytestmark = pytest.mark.gpu


def test_a_gpu_trains_what_the_cpu_does(tiny, one_host) -> None:
    task, plan = tiny.Bend(tiny.data()), tiny.scheduled()
    cpu = fit(task, plan, one_host()[0], [torch.device("cpu")])
    gpu = fit(task, plan, one_host()[0], devices(1))
    assert gpu.loss == pytest.approx(cpu.loss, rel=1e-3)
    for name, weights in cpu.weights.items():
        assert gpu.weights[name].device.type == "cpu"
        np.testing.assert_allclose(gpu.weights[name], weights, rtol=1e-2, atol=1e-4)


def test_a_gpu_repeats_itself_and_resumes_bit_for_bit(tiny, one_host) -> None:
    task, plan = tiny.Bend(tiny.data(), dropout=0.2, normalized=True), tiny.scheduled(6)
    whole = fit(task, plan, one_host()[0], devices(1))
    fit(task, replace(plan, epochs=3), one_host(checkpoints=True)[0], devices(1))
    resumed = fit(task, plan, one_host(checkpoints=True)[0], devices(1))
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)


@pytest.mark.parametrize("half", [True, torch.bfloat16, torch.float16])
def test_mixed_precision_learns_as_well(tiny, one_host, half) -> None:
    task = tiny.Bend(tiny.data())
    plain = fit(task, tiny.scheduled(40), one_host()[0], devices(1))
    mixed = fit(task, replace(tiny.scheduled(40), mixed_precision=half), one_host()[0], devices(1))
    assert mixed.loss == pytest.approx(plain.loss, rel=0.1)
    assert all(weights.dtype == torch.float32 for weights in mixed.weights.values())


def test_several_gpus_train_what_one_does(tiny, one_host) -> None:
    several = devices(torch.cuda.device_count())
    if len(several) == 1:
        pytest.skip("two GPUs or more are needed to exchange gradients between; one is there")
    task, plan = tiny.Bend(tiny.data()), tiny.scheduled()
    one, all_of_them = fit(task, plan, one_host()[0], several[:1]), fit(task, plan, one_host()[0], several)
    for name, weights in one.weights.items():
        np.testing.assert_allclose(all_of_them.weights[name], weights, rtol=1e-2, atol=1e-4)


def test_one_gpu_of_several_is_told_of(caplog) -> None:
    caplog.set_level("INFO")
    count = torch.cuda.device_count()
    assert device(count).type == "cuda"
    assert caplog.messages == ([] if count == 1 else [f"one GPU of {count} is used"])
