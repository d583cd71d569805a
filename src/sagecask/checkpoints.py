"""Checkpoints inside a training job: atomic, the newest few kept, found again after a restart.

The folder is copied to remote storage at any moment, so a file appears under its final name only when it is
whole (model-checkpoints.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagecask.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Numbered checkpoint files `prefix.N` in a folder; `folder` is None where the job has none.

    keep : number of newest files that stay
    """

    folder: Path | None
    prefix: str = "checkpoint"
    keep: int = 5

    def within(self, name: str, prefix: str | None = None) -> Checkpoints:
        """Return the checkpoints of a sub-folder (`name` may be "." for this one), under another prefix."""
        folder = None if self.folder is None else self.folder / name
        return Checkpoints(folder, prefix or self.prefix, self.keep)

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Let `write` fill a temporary file, give it its final name, and delete the oldest beyond `keep`.

        A file that is being uploaded (a `.sagemaker-uploading` marker without `.sagemaker-uploaded`) stays.

        Raises
        ------
        PlatformError : the folder cannot be written, or is full
        """
        if self.folder is None:
            return
        # a leading dot keeps the half-written file out of `steps`
        temporary = self.folder / f".{self.prefix}.{step}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(temporary)
            temporary.replace(self.folder / f"{self.prefix}.{step}")
        except OSError as error:
            raise PlatformError(f"{self.folder}: space and leave to write checkpoints; got {error.strerror}") from error
        for old in sorted(self.steps())[: -self.keep]:
            self._delete(old)

    def latest(self) -> tuple[int, Path] | None:
        """Return the highest step and its file, or None when there is nothing to resume from."""
        steps = self.steps()
        if not steps or self.folder is None:
            return None
        newest = max(steps)
        return newest, self.folder / f"{self.prefix}.{newest}"

    def set_aside(self, step: int) -> Path:
        """Give a file that nothing can be made of the ending `.damaged`, so that it counts no more; return its path.

        Raises
        ------
        PlatformError : the folder cannot be written
        """
        assert self.folder is not None
        path = self.folder / f"{self.prefix}.{step}"
        try:
            return path.replace(path.with_name(path.name + ".damaged"))
        except OSError as error:
            raise PlatformError(f"{self.folder}: space and leave to write checkpoints; got {error.strerror}") from error

    def steps(self) -> list[int]:
        """Return the steps that have a whole file, in no order."""
        if self.folder is None or not self.folder.is_dir():
            return []
        pattern = re.compile(re.escape(self.prefix) + r"\.(\d+)")
        matches = (pattern.fullmatch(path.name) for path in self.folder.iterdir())
        return [int(match.group(1)) for match in matches if match]

    def _delete(self, step: int) -> None:
        assert self.folder is not None
        path = self.folder / f"{self.prefix}.{step}"
        uploading = path.with_name(path.name + ".sagemaker-uploading").exists()
        uploaded = path.with_name(path.name + ".sagemaker-uploaded").exists()
        if uploaded or not uploading:
            path.unlink(missing_ok=True)
