"""The GPUs' driver and its version, asked before torch, whose words for an old one depend on which call fails first."""

from __future__ import annotations

import ctypes

from sagecask.errors import PlatformError


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
    """Return the newest version of CUDA that the driver supports, None where there is no driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return version.value // 1000, version.value % 1000 // 10
