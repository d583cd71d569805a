"""The image for GPUs: what it brings, what it does where there is no GPU, and where the driver is too old."""

import re
import subprocess
from pathlib import Path

import docker
import pytest

from sagecask.testing.container import TrackedContainer, mounted, train_in

pytestmark = pytest.mark.image

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
# a driver that knows CUDA up to 12.4
OLD_DRIVER = """
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuInit(unsigned flags) { return 0; }
"""
DRIVER = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
ON_CPU = "no GPU is visible: training on CPU"


@pytest.fixture
def driver(tmp_path):
    """An old driver's library, as NVIDIA's container runtime hands it over."""
    source, library = tmp_path / "driver.c", tmp_path / "libcuda.so.1"
    source.write_text(OLD_DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {str(library): {"bind": DRIVER, "mode": "ro"}}


def printed_by(image: str, *command: str) -> str:
    options = {"entrypoint": command[0], "network_mode": "none", "expected": (".*",)}
    with TrackedContainer(image, *command[1:], **options) as container:
        assert container.wait() == 0, container.log
        return container.log


def test_torch_is_built_for_the_version_of_cuda_that_the_docs_name(image):
    built_for = printed_by(image, "python", "-c", "import torch; print(torch.version.cuda)").strip()
    assert f"CUDA {built_for}" in OPERATIONS.read_text(encoding="utf-8")


def test_torch_finds_all_that_it_links_to_but_the_driver(image):
    linked = printed_by(image, "sh", "-c", "ldd /opt/sagecask/lib/python3.*/site-packages/torch/lib/*.so")
    assert set(re.findall(r"(\S+) => not found", linked)) == {"libcuda.so.1"}
    assert printed_by(image, "sh", "-c", "find / -xdev -name 'libcuda.so*' -o -xdev -name 'libnvidia-*'") == ""


def test_without_a_gpu_one_line_says_that_training_is_on_cpu(image, job):
    outcome = train_in(image, job, environment={"CUDA_VISIBLE_DEVICES": ""})
    assert (outcome.code, outcome.failure) == (0, None)
    lines = [line for line in outcome.log.splitlines() if re.search("cuda|nvidia|on CPU", line, re.IGNORECASE)]
    assert [re.sub(r"^.* INFO \S+: ", "", line) for line in lines] == [ON_CPU]


def test_driver_that_is_too_old_is_a_sentence(image, job, driver):
    message = "GPU driver: a version for CUDA 13.0 or newer is needed; got one for CUDA 12.4"
    volumes = mounted(job.root) | driver
    outcome = train_in(image, job, (".*",), volumes=volumes, environment={"CUDA_VISIBLE_DEVICES": "0"})
    assert outcome.code == 3
    assert outcome.failure.partition("\n")[0] == f"InternalServerError: {message}"
    assert not (job.paths.model / "model_algo-1").exists()


@pytest.mark.gpu
def test_with_a_gpu_nothing_is_trained_on_cpu(image, job):
    gpus = [docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])]
    outcome = train_in(image, job, device_requests=gpus)
    assert (outcome.code, outcome.failure) == (0, None)
    assert "on CPU" not in outcome.log
