"""Where training computes, and a driver that is too old: a real library in a real process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sagecask.neural.devices import devices

DRIVER = "int cuDriverGetVersion(int *version) { *version = 11040; return 0; }"
PROGRAM = """
import sys
from sagecask.errors import PlatformError
from sagecask.neural.driver import check_driver
try:
    check_driver(sys.argv[1])
except PlatformError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def checked(built_for: str, folder: Path | None) -> tuple[int, str]:
    """Return exit code and output of a check against the driver library of a folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, built_for],
        env={"LD_LIBRARY_PATH": str(folder)} if folder else {},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory):
    """A folder with the library of a driver for CUDA 11.4."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(folder / "driver.c")]
    subprocess.run(command, check=True)
    return folder


def test_a_driver_that_is_too_old_is_named(old_driver: Path) -> None:
    sentence = "GPU driver: a version for CUDA 13.0 or newer is needed; got one for CUDA 11.4\n"
    assert checked("13.0", old_driver) == (3, sentence)


def test_a_driver_of_the_same_major_version_is_new_enough(old_driver: Path) -> None:
    assert checked("11.8", old_driver) == (0, "")


def test_a_machine_without_a_driver_passes(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"no library")
    assert checked("13.0", tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("gpus", "built_for", "message"),
    [
        (0, None, []),
        (0, "13.0", ["no GPU is visible: training on CPU"]),
        (2, None, ["2 GPU(s) are there but this build of torch cannot use them: training on CPU"]),
    ],
)
def test_training_on_the_cpu_is_told_where_gpus_might_be_meant(caplog, gpus, built_for, message) -> None:
    caplog.set_level("INFO")
    assert devices(gpus, built_for) == [torch.device("cpu")]
    assert caplog.messages == message
