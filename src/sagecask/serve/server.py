"""gunicorn, told by values instead of a configuration file or command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from sagecask.errors import PlatformError
from sagecask.serve.gunicorn_log import GunicornLog
from sagecask.serve.invocation_worker import InvocationWorker, hold_signals_while_forking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The master process and its workers.

    timeout_seconds : time that one request may take
    settings : gunicorn's, by their names
    max_body_bytes : of what is longer, the end is not waited for, since the application refuses it; 0 is no limit
    """

    def __init__(
        self, app: Flask, timeout_seconds: float, settings: Mapping[str, Any], max_body_bytes: int = 0
    ) -> None:
        self._app = app
        self._settings = settings
        self.timeout_seconds = timeout_seconds
        self.max_body_bytes = max_body_bytes
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)
        self.cfg.set("logger_class", GunicornLog)
        self.cfg.set("worker_class", InvocationWorker)

    def load(self) -> Flask:
        return self._app

    def serve(self) -> int:
        """Answer requests until a stop signal; return the exit code.

        Raises
        ------
        PlatformError : the port was taken since it was bound
        """
        hold_signals_while_forking()
        try:
            self.run()
        except OSError as error:
            raise PlatformError(f"server: a port to listen on; got {error}") from error
        except SystemExit as end:
            return int(end.code or 0)
        return 0
