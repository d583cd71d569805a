"""A real `sagecask serve` in a process of its own, for tests that talk HTTP to it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sagecask.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
# what the surrounding shell says about platforms is none of a test's business
FOREIGN = ("SAGEMAKER_", "SAGECASK_", "SM_", "GUNICORN_", "OMP_", "MAX_CONTENT_LENGTH", "WEB_CONCURRENCY")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer read to its end; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """A server below a root folder; `environ` is laid over this process's environment without platform variables.

    root : folder that stands for /opt/ml; the model lies in its `model`
    port : free TCP port of 127.0.0.1
    """

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    _log: IO[bytes] = field(default_factory=tempfile.TemporaryFile, repr=False)
    _text: str = field(default="", repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> Self:
        """Start the process without waiting for it; standard output and error go to one log."""
        self.port = self.port or free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        given = {"SAGECASK_ROOT": str(self.root), "SAGEMAKER_BIND_TO_PORT": str(self.port), **self.environ}
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("sagecask"), "serve"],
            env=inherited | given,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The master process."""
        assert self._process is not None, "start() comes first"
        return self._process

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> Self:
        """Poll /ping until it answers 200.

        Raises
        ------
        AssertionError : the process ended, or the time is over; the message holds its log
        """
        deadline = time.monotonic() + seconds
        while not self._answers_ping():
            assert self.process.poll() is None, f"server ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"server not ready after {seconds} s:\n{self.log()}"
            time.sleep(POLL_SECONDS)
        return self

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own, with no header but those given and what HTTP needs."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str | None = None, accept: str | None = None) -> Answer:
        """POST to /invocations."""
        headers = {"Content-Type": content_type, "Accept": accept}
        return self.request("POST", "/invocations", body, {name: text for name, text in headers.items() if text})

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text(encoding="ascii").split()]

    def log(self) -> str:
        """Everything written so far."""
        if not self._log.closed:
            self._text = os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()
        return self._text

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        return self.process.wait(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Send SIGTERM, wait, and return the exit code; the whole family is killed when time runs out."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End master and workers at once, if they still run; the log stays readable."""
        if self._process is not None and self._process.poll() is None:
            # the master first, or it would replace the workers
            for pid in [self._process.pid, *self.workers()]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        self.log()
        self._log.close()

    def _answers_ping(self) -> bool:
        try:
            return self.request("GET", "/ping").status == 200
        except OSError:
            return False


@contextmanager
def launched(root: Path, environ: Mapping[str, str] | None = None, port: int = 0) -> Iterator[Server]:
    """Start a server without waiting for it, and kill what is left of it at the end."""
    server = Server(root, environ or {}, port)
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def serving(root: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it at the end."""
    with launched(root, environ) as server:
        yield server.wait_until_ready()
        if server.process.poll() is None:
            server.stop()
