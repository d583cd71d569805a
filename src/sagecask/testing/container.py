"""An image run as a container from outside, its log read for anything that should not be there."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
from docker.types import LogConfig

from sagecask.testing.job_directory import Outcome
from sagecask.testing.server import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from sagecask.testing.job_directory import JobDirectory

READY_SECONDS = 60.0
POLL_SECONDS = 0.01
SUSPICIOUS = re.compile(r"\b(warn(ing)?|error|critical|fatal|exception|traceback)\b|Error:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that ran inside a container."""

    code: int
    output: str


class TrackedContainer:
    """A container that is removed at the end, and whose log must then hold no warning or error but the expected.

    expected : regular expressions of whole lines of the log that may look like a warning or an error
    options : what the Docker SDK's `containers.run` takes
    """

    def __init__(self, image: str, *command: str, expected: tuple[str, ...] = (), **options: object) -> None:
        self._client = docker.from_env()
        self._expected = [re.compile(pattern) for pattern in expected]
        self.started = time.monotonic()
        settings = {"log_config": LogConfig(type="json-file"), "detach": True, **options}
        self.container = self._client.containers.run(image, list(command), **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_details: object) -> None:
        # the engine refuses to kill what has ended
        with contextlib.suppress(docker.errors.APIError):
            self.container.kill()
        log = self.log
        self.container.remove(force=True, v=True)
        self._client.close()
        if kind is None:
            unexpected = [line for line in log.splitlines() if self._is_unexpected(line)]
            assert not unexpected, "unexpected lines in the log:\n" + "\n".join(unexpected)

    def _is_unexpected(self, line: str) -> bool:
        return bool(SUSPICIOUS.search(line)) and not any(pattern.fullmatch(line) for pattern in self._expected)

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return bytes(self.container.logs()).decode(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        """The engine's word on the container: Status, ExitCode, OOMKilled, Health."""
        self.container.reload()
        return dict(self.container.attrs["State"])

    def wait(self, timeout_seconds: float = 120) -> int:
        """Return the exit code of the ended container."""
        return int(self.container.wait(timeout=timeout_seconds)["StatusCode"])

    def wait_until_stoppable(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Return when the first process has a handler for SIGTERM, which the kernel keeps from it until then."""
        deadline = time.monotonic() + timeout_seconds
        mask = 1 << (signal.SIGTERM - 1)
        while not int(self.run("sed", "-n", r"s/^SigCgt:\s*//p", "/proc/1/status").output, 16) & mask:
            assert time.monotonic() < deadline, f"no handler within {timeout_seconds} s:\n{self.log}"

    def wait_for_log(self, pattern: str, timeout_seconds: float = READY_SECONDS) -> None:
        """Return when a regular expression matches the log."""
        deadline = time.monotonic() + timeout_seconds
        while not re.search(pattern, self.log):
            assert time.monotonic() < deadline, f"no {pattern!r} within {timeout_seconds} s in:\n{self.log}"
            assert self.state["Running"], f"the container ended before {pattern!r}:\n{self.log}"
            time.sleep(POLL_SECONDS)

    def wait_until_ready(self, timeout_seconds: float = READY_SECONDS) -> float:
        """Return the seconds between start and the first /ping with 200."""
        deadline = self.started + timeout_seconds
        while True:
            try:
                if self.request("GET", "/ping", timeout_seconds=5).status == 200:
                    return time.monotonic() - self.started
            except (OSError, http.client.HTTPException):
                assert self.state["Running"], f"the container ended:\n{self.log}"
            assert time.monotonic() < deadline, f"no /ping within {timeout_seconds} s:\n{self.log}"
            time.sleep(POLL_SECONDS)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> Answer:
        """Send one request to the port of the container."""
        connection = http.client.HTTPConnection(self.address, 8080, timeout=timeout_seconds)
        try:
            # a body that is refused unread may find its connection closed; the answer is there all the same
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str, accept: str | None = None) -> Answer:
        """Post to /invocations."""
        headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        return self.request("POST", "/invocations", body, headers)

    @property
    def address(self) -> str:
        """The container's address on the engine's bridge."""
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])

    def run(self, *command: str, user: str = "") -> Executed:
        """Run a command beside the container's own."""
        done = self.container.exec_run(list(command), user=user)
        return Executed(int(done.exit_code), done.output.decode(errors="replace"))


def mounted(root: Path, mode: str = "rw") -> dict[str, dict[str, str]]:
    """Return the volumes that make a folder of this machine the container's /opt/ml."""
    return {str(root): {"bind": "/opt/ml", "mode": mode}}


def train_in(image: str, job: JobDirectory, expected: tuple[str, ...] = (), **options: object) -> Outcome:
    """Run a job folder's training in an image to its end."""
    options.setdefault("volumes", mounted(job.root))
    with TrackedContainer(image, "train", expected=expected, **options) as container:
        code = container.wait()
        log = container.log
    return Outcome(code, log, job.failure)
