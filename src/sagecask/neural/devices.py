"""Where training computes: the GPUs that the job has, else the CPU; and what is said where they cannot be used."""

from __future__ import annotations

import ctypes
import logging

import torch

from sagecask.errors import PlatformError

_log = logging.getLogger(__name__)
_CPU = torch.device("cpu")


def devices(gpus: int) -> list[torch.device]:
    """Return the devices of a job that has so many GPUs: all of them, or the CPU.

    Raises
    ------
    PlatformError : the GPUs' driver is too old for this build of torch
    """
    built_for = torch.version.cuda
    if not gpus:
        if built_for is not None:
            _log.info("no GPU is visible: training on CPU")
        return [_CPU]
    if built_for is None:
        _log.warning("%d GPU(s) are there but this build of torch cannot use them: training on CPU", gpus)
        return [_CPU]
    check_driver(built_for)
    usable = min(gpus, torch.cuda.device_count())
    if not usable:
        _log.warning("%d GPU(s) are there but the container cannot use them: training on CPU", gpus)
        return [_CPU]
    return [torch.device("cuda", index) for index in range(usable)]


def device(gpus: int) -> torch.device:
    """Return one device for a job that has so many GPUs.

    Raises
    ------
    PlatformError : as `devices`
    """
    found = devices(gpus)
    if len(found) > 1:
        _log.info("one GPU of %d is used", len(found))
    return found[0]


def check_driver(built_for: str) -> None:
    """Refuse a driver that is older than what was built for a version of CUDA needs; where there is none, do nothing.

    A driver runs what was built for its own or an earlier major version.

    Raises
    ------
    PlatformError : the driver is too old

    Source: https://docs.nvidia.com/deploy/cuda-compatibility, "Minor Version Compatibility"
    """
    found = driver_version()
    needed = int(built_for.partition(".")[0])
    if found is not None and found[0] < needed:
        raise PlatformError(
            f"GPU driver: a version for CUDA {needed}.0 or newer is needed; got one for CUDA {found[0]}.{found[1]}"
        )


def driver_version() -> tuple[int, int] | None:
    """Return the newest version of CUDA that the driver supports, None where there is no driver.

    torch itself says of a driver that is too old what depends on the call that fails first.
    """
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return version.value // 1000, version.value % 1000 // 10
