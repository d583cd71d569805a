"""A folder laid out as the platform lays out /opt/ml, and a training job run in it by the real executable."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagecask.contract import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training job ended: exit code, everything it printed, and the failure file or None."""

    code: int
    log: str
    failure: str | None


class JobDirectory:
    """One job; every method that lays something out returns the job, so that calls chain."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(root)
        self.paths.config.mkdir(parents=True, exist_ok=True)
        self._channels: dict[str, dict[str, str]] = {}
        self.hyperparameters()

    @classmethod
    def copy_of(cls, example: Path, root: Path) -> JobDirectory:
        """Copy an example's input folder."""
        shutil.copytree(example / "input", root / "input")
        job = cls.__new__(cls)
        job.root, job.paths = root, Paths(root)
        job._channels = json.loads(job.paths.input_data_config.read_text())
        return job

    def hyperparameters(self, values: Mapping[str, object] | None = None) -> JobDirectory:
        """Write hyperparameters.json; values become texts as an Estimator makes them."""
        texts = {name: str(value) for name, value in (values or {}).items()}
        self.paths.hyperparameters.write_text(json.dumps(texts))
        return self

    def channel(
        self,
        name: str,
        files: Mapping[str, bytes],
        content_type: str | None = "text/csv",
        input_mode: str = "File",
    ) -> JobDirectory:
        """Write a channel's files (relative name to bytes) and its entry in inputdataconfig.json."""
        folder = self.paths.channel(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        entry = {"TrainingInputMode": input_mode, "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        self._channels[name] = entry | ({"ContentType": content_type} if content_type else {})
        return self._write_channels()

    def without_channel(self, name: str) -> JobDirectory:
        """Take a channel out of the job; its folder goes too."""
        self._channels.pop(name)
        shutil.rmtree(self.paths.channel(name))
        return self._write_channels()

    def input_mode(self, mode: str) -> JobDirectory:
        """Set the input mode of every channel."""
        for entry in self._channels.values():
            entry["TrainingInputMode"] = mode
        return self._write_channels()

    def host(self, current: str, hosts: Sequence[str]) -> JobDirectory:
        """Write resourceconfig.json."""
        resources = {"current_host": current, "hosts": list(hosts), "network_interface_name": "eth0"}
        self.paths.resource_config.write_text(json.dumps(resources))
        return self

    def start(self, algorithm: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the `train` executable and return its process, output piped."""
        command = [str(Path(sys.executable).with_name("train")), "--root", str(self.root), "--algorithm", algorithm]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environ or {})},
        )

    def train(self, algorithm: str, environ: Mapping[str, str] | None = None, timeout_seconds: float = 120) -> Outcome:
        """Run the job to its end."""
        with self.start(algorithm, environ) as process:
            log, _ = process.communicate(timeout=timeout_seconds)
        return Outcome(process.returncode, log, self.failure)

    @property
    def failure(self) -> str | None:
        """Text of the failure file, or None."""
        path = self.paths.failure
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _write_channels(self) -> JobDirectory:
        self.paths.input_data_config.write_text(json.dumps(self._channels))
        return self
