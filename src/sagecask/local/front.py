"""nginx before the servers of an endpoint, with its JavaScript module: configuration, start, table of routes, end."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagecask.errors import PlatformError, UsageError
from sagecask.local.ping import wait_for_ping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCRIPT = Path(__file__).with_name("front.js")
MODULE = "ngx_http_js_module.so"
# where Debian has it, and a user's PATH does not lead
FOLDERS = ("/usr/sbin", "/usr/local/sbin")
MAX_WORKERS = 4
START_SECONDS = 20
# idle connections of clients are closed at once, requests under way have this long
STOP_SECONDS = 30
# an answer between containers, or of the last; the platform's own limit is not documented
MAX_ANSWER_MB = 64

_CONFIGURATION = """\
{module}
{user}
daemon off;
worker_processes {workers};
worker_shutdown_timeout {stop_seconds}s;
pid {root}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    js_path {root};
    js_import front from front.js;
    js_var $container_type "";
    js_var $container_accept "";
    js_var $routes "{root}/routes.json";
    js_var $generation "{generation}";
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    # the script sees a body that is in memory and in one piece
    client_max_body_size {max_body_bytes};
    client_body_buffer_size {max_body_bytes};
    client_body_in_single_buffer on;
    subrequest_output_buffer_size {max_answer_mb}m;
    # nor does an answer go by way of a file
    proxy_buffering off;
    # what is captured does not depend on whether the client waits
    proxy_ignore_client_abort on;
    proxy_connect_timeout 5s;
    proxy_read_timeout {timeout_seconds}s;
    proxy_send_timeout {timeout_seconds}s;
    keepalive_timeout 65s;

    server {{
        listen 127.0.0.1:{port};
        location = /ping {{ return 200; }}
        location = /invocations {{ js_content front.invoke; }}
        location = /endpoints/{endpoint}/invocations {{ js_content front.invoke; }}
        location /_shadow/ {{
            internal;
            proxy_set_header X-Sagecask-Event $request_id;
            # the request is sent and its answer not waited for
            proxy_read_timeout 1ms;
            proxy_pass http://unix:{root}/shadow.sock:/shadow/;
        }}
        include container.conf;
    }}
    server {{
        listen unix:{root}/shadow.sock;
        location /shadow/ {{ js_content front.shadow; }}
        include container.conf;
    }}
}}
"""
# the headers that InvokeEndpoint knows (contract 10.6), and those of tracing
_CONTAINER = r"""
location ~ ^/_container/(\d+)$ {
    internal;
    proxy_pass_request_headers off;
    proxy_set_header Content-Type $container_type;
    proxy_set_header Accept $container_accept;
    proxy_set_header X-Amzn-SageMaker-Custom-Attributes $http_x_amzn_sagemaker_custom_attributes;
    proxy_set_header X-Amzn-SageMaker-Inference-Id $http_x_amzn_sagemaker_inference_id;
    proxy_set_header X-Amzn-SageMaker-Session-Id $http_x_amzn_sagemaker_session_id;
    proxy_set_header X-Amzn-SageMaker-Target-Model $http_x_amzn_sagemaker_target_model;
    proxy_set_header X-Amzn-SageMaker-Target-Variant $http_x_amzn_sagemaker_target_variant;
    proxy_set_header Traceparent $http_traceparent;
    proxy_set_header Tracestate $http_tracestate;
    proxy_pass http://127.0.0.1:$1/invocations;
}
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What nginx keeps to for as long as it runs; the table of routes may change.

    endpoint : its name, as a client of the platform's runtime API addresses it
    port : of the loopback interface
    timeout_seconds : of one container's answer
    max_body_bytes : of a request; larger ones get status 413
    """

    endpoint: str
    port: int
    timeout_seconds: int
    max_body_bytes: int


class Front:
    """nginx as a child of this process, unprivileged, with all its files below one folder."""

    def __init__(self, terms: Terms, root: Path, environ: Mapping[str, str], log: Callable[[str], None]) -> None:
        """Write the configuration below `root`; nothing runs before `start`.

        Raises
        ------
        UsageError : nginx or its module is not installed
        PlatformError : they do not take the configuration, or the port is not free
        """
        self._command, module = installed(os.pathsep.join([environ.get("PATH", os.defpath), *FOLDERS]))
        self._terms = terms
        self._root = root
        self._log = log
        shutil.copyfile(SCRIPT, root / SCRIPT.name)
        (root / "container.conf").write_text(_CONTAINER, encoding="utf-8")
        (root / "nginx.conf").write_text(self._configuration(module), encoding="utf-8")
        self._check()
        self._process: subprocess.Popen[bytes] | None = None

    def route(self, table: Mapping[str, Any]) -> None:
        """Put a table of routes in the place of the last; every later request goes by it."""
        new = self._root / "routes.new"
        new.write_text(json.dumps(table), encoding="utf-8")
        new.replace(self._root / "routes.json")

    def start(self) -> None:
        """Start nginx and wait until it answers.

        Raises
        ------
        PlatformError : nginx ends, as where its port is taken
        """
        self._process = subprocess.Popen(
            self._arguments(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        tail: list[str] = []
        thread = threading.Thread(target=self._relay, args=(self._process, tail), daemon=True)
        thread.start()
        if not wait_for_ping(self._terms.port, START_SECONDS, self.ended):
            self.stop()
            thread.join(STOP_SECONDS)
            raise PlatformError(f"nginx: must answer on port {self._terms.port}; got {' | '.join(tail) or 'none'}")

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Take no more connections, answer what is under way, and end."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _arguments(self) -> list[str]:
        return [self._command, "-p", str(self._root), "-c", str(self._root / "nginx.conf"), "-e", "stderr"]

    def _check(self) -> None:
        tried = subprocess.run([*self._arguments(), "-q", "-t"], stderr=subprocess.PIPE, text=True, check=False)
        if tried.returncode:
            raise PlatformError(f"nginx: must take its configuration; got {' | '.join(tried.stderr.splitlines())}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._terms.port))
            except OSError as error:
                raise PlatformError(f"port {self._terms.port}: free for nginx; got {error.strerror}") from error

    def _relay(self, process: subprocess.Popen[bytes], tail: list[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                # that the answer to a shadow is not waited for is no error
                if 'subrequest: "/_shadow/' not in line:
                    tail.append(line)
                    del tail[:-5]
                    self._log(f"nginx: {line}")

    def _configuration(self, module: Path | None) -> str:
        return _CONFIGURATION.format(
            module=f"load_module {module};" if module else "",
            # as root nginx would give its workers to another user, who does not see this folder
            user=f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else "",
            workers=min(MAX_WORKERS, os.cpu_count() or 1),
            stop_seconds=STOP_SECONDS,
            root=self._root,
            generation=uuid.uuid4().hex[:12],
            max_answer_mb=MAX_ANSWER_MB,
            endpoint=self._terms.endpoint,
            port=self._terms.port,
            timeout_seconds=self._terms.timeout_seconds,
            max_body_bytes=self._terms.max_body_bytes,
        )


def installed(path: str) -> tuple[str, Path | None]:
    """Return the command of nginx and its JavaScript module, which is None where it is compiled in.

    Raises
    ------
    UsageError : one of the two is not installed
    """
    command = shutil.which("nginx", path=path)
    advice = "on Debian `apt-get install nginx libnginx-mod-http-js` brings both"
    if command is None:
        raise UsageError(f"endpoint: several models or variants need nginx and its module njs; got no nginx; {advice}")
    about = subprocess.run([command, "-V"], capture_output=True, text=True, check=True).stderr
    if re.search(r"--add-module=\S*njs", about):
        return command, None
    folder = re.search(r"--modules-path=(\S+)", about)
    module = Path(folder[1] if folder else "/usr/lib/nginx/modules") / MODULE
    if not module.is_file():
        raise UsageError(f"endpoint: several models or variants need nginx's module njs; got no {module}; {advice}")
    return command, module
