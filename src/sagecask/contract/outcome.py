"""How a training job ends: the failure file, and who owns what was written (contract 5.4 to 5.7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sagecask.contract.paths import Paths

SHOWN_CHARACTERS = 1024
"""What the platform shows of the failure file."""


def write_failure(paths: Paths, kind: str, message: str, details: str = "") -> None:
    """Write /opt/ml/output/failure: kind and message first, a traceback after them.

    A message longer than what is shown keeps its beginning and says that the log has the rest.
    """
    opening = f"{kind}: {message}"
    if len(opening) > SHOWN_CHARACTERS:
        note = " … (the log has all of it)\n"
        details = "\n".join([opening, details])
        opening = opening[: SHOWN_CHARACTERS - len(note)] + note
    paths.output.mkdir(parents=True, exist_ok=True)
    text = opening.rstrip("\n") + "\n" + (f"\n{details.rstrip()}\n" if details else "")
    paths.failure.write_text(text, encoding="utf-8", errors="backslashreplace")


def hand_over(paths: Paths, checkpoint_dir: Path | None) -> None:
    """Give what root wrote to the owner of the mounted folder; nothing to do for anyone else.

    On a laptop the folder belongs to a person, who could not delete what a container left as root.
    """
    if os.geteuid() != 0:
        return
    for folder in (paths.model, paths.output, checkpoint_dir):
        owner = None if folder is None else _owner_outside(folder)
        if folder is None or owner is None:
            continue
        for path in _tree(folder):
            if path.lstat().st_uid == 0:
                os.chown(path, *owner, follow_symlinks=False)


def _owner_outside(folder: Path) -> tuple[int, int] | None:
    """Return user and group of the folder, or of the nearest parent when root made it, if that is not root."""
    if not folder.exists():
        return None
    for place in (folder, *folder.parents[:2]):
        status = place.stat()
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
    return None


def _tree(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")
