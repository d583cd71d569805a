"""Images from a source checkout, by the recipe that `make image` has."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from sagecask.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def build(checkout: Path, family: str, algorithm: str | None, device: str) -> None:
    """Build the image of a family, and those of its algorithms or of one alone, with `make image`.

    Raises
    ------
    UsageError : `checkout` is no checkout, or has no such family
    PlatformError : make is missing, or the build failed
    """
    if not (checkout / "Makefile").is_file() or not (checkout / f"Dockerfile.{device}").is_file():
        raise UsageError(f'build: --source must be a checkout of sagecask; got "{checkout.resolve()}"')
    families = sorted(path.parent.name for path in checkout.glob("containers/*/pyproject.toml"))
    if family not in families:
        raise UsageError(f'build: the family must be one of {", ".join(families)}; got "{family}"')
    make = shutil.which("make")
    if make is None:
        raise PlatformError("build: make must be on PATH; got none")
    command = [make, "-C", str(checkout), "image", f"FAMILY={family}", f"DEVICE={device}"]
    code = subprocess.call([*command, *([f"ALGORITHM={algorithm}"] if algorithm else [])])
    if code != 0:
        raise PlatformError(f"build: make image must end with 0; got {code}")
