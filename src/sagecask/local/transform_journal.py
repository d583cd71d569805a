"""What a transform job has done, kept beside its output so that the job goes on after it was interrupted.

Lines of JSON: the fingerprint of settings and model, then for each input its name and stamp, triples of bytes read,
records read and bytes written, and `true` at its end.
"""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sagecask.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NAME = ".transform.journal"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an input has come: bytes and records read, bytes written."""

    read: int = 0
    records: int = 0
    written: int = 0


class Journal:
    """The journal of one output folder, locked while its job runs."""

    def __init__(self, folder: Path, fingerprint: str, *, restart: bool) -> None:
        """Read what an earlier job with the same fingerprint left; that of another, or of any at `restart`, is void."""
        self._path = folder / NAME
        self._fingerprint = fingerprint
        self._restart = restart
        self._progress: dict[tuple[str, str], Progress] = {}
        self._done: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise UsageError(
                f'transform: the output folder must be of one job at a time; got "{self._path.parent}", in use'
            ) from error
        self._file.seek(0)
        text = self._file.read()
        header, *lines = text.splitlines() or [""]
        if self._restart or _json(header) != {"fingerprint": self._fingerprint}:
            self._file.truncate(0)
            self._write({"fingerprint": self._fingerprint})
        else:
            self._follow(lines)
            # the last line may have been cut short
            self._file.write("" if text.endswith("\n") else "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not (self._done or any(each.read for each in self._progress.values())):
            self._path.unlink(missing_ok=True)
        self._file.close()

    def done(self, name: str, stamp: str) -> bool:
        """Return whether the output of an input is complete."""
        return (name, stamp) in self._done

    def begin(self, name: str, stamp: str) -> Progress:
        """Return how far an input had come; steps and end that follow are its own."""
        self._current = (name, stamp)
        progress = self._progress.setdefault(self._current, Progress())
        self._write([name, stamp, [progress.read, progress.records, progress.written]])
        return progress

    def step(self, progress: Progress) -> None:
        """Keep how far the current input has come."""
        self._progress[self._current] = progress
        self._write([progress.read, progress.records, progress.written])

    def end(self) -> None:
        """Keep that the current input is done."""
        self._done.add(self._current)
        self._write(True)

    def drop(self) -> None:
        """Forget how far the current input has come."""
        self._progress[self._current] = Progress()
        self._write([0, 0, 0])

    def _follow(self, lines: list[str]) -> None:
        current = None
        for line in lines:
            match _json(line):
                case [str(name), str(stamp), [int(read), int(records), int(written)]]:
                    current = (name, stamp)
                    self._progress[current] = Progress(read, records, written)
                case [int(read), int(records), int(written)] if current:
                    self._progress[current] = Progress(read, records, written)
                case True if current:
                    self._done.add(current)

    def _write(self, content: object) -> None:
        self._file.write(json.dumps(content, separators=(",", ":")) + "\n")
        self._file.flush()


def _json(line: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(line)
    except ValueError:
        return None
