"""Where training computes: the GPUs that the job has, else the CPU; and what is said where they cannot be used."""

from __future__ import annotations

import logging

import torch

from sagecask.neural.driver import check_driver

_log = logging.getLogger(__name__)
_CPU = torch.device("cpu")


def devices(gpus: int, built_for: str | None = torch.version.cuda) -> list[torch.device]:
    """Return the devices of a job that has so many GPUs: all of them, or the CPU.

    Parameters
    ----------
    built_for : version of CUDA that torch was built for, None for a build without

    Raises
    ------
    PlatformError : the GPUs' driver is too old for this build of torch
    """
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
