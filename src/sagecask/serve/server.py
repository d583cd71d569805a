"""gunicorn, told by values instead of a configuration file or command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from sagecask.errors import PlatformError
from sagecask.serve.gunicorn_log import GunicornLog
from sagecask.serve.invocation_worker import InvocationWorker, hold_signals_while_forking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagecask.serve.app import Application


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The master process and its workers.

    timeout_seconds : time that one request may take
    settings : gunicorn's, by their names
    """

    def __init__(self, app: Application, timeout_seconds: float, settings: Mapping[str, Any]) -> None:
        self._app = app
        self._settings = settings
        self.timeout_seconds = timeout_seconds
        self.max_body_bytes = app.max_body_bytes
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)
        self.cfg.set("logger_class", GunicornLog)
        self.cfg.set("worker_class", InvocationWorker)

    def load(self) -> Application:
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
