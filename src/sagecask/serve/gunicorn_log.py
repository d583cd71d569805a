"""What gunicorn says, and one line per request, through the house's logging."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger

from sagecask.serve.metrics import MODEL, route_of
from sagecask.serve.tracing import identifiers

if TYPE_CHECKING:
    from datetime import timedelta

    from gunicorn.config import Config
    from gunicorn.http.message import Request
    from gunicorn.http.wsgi import Response

    from sagecask.serve.metrics import Metrics

# asked for every few seconds
QUIET = frozenset({"/ping", "/metrics", "/v2/health/live", "/v2/health/ready"})
# the path that the client named, which is fit for logs only (contract 13.2)
TARGET_MODEL = "HTTP_X_AMZN_SAGEMAKER_TARGET_MODEL"
LINE = "%(method)s %(path)s %(status)d, %(bytes)d bytes, %(milliseconds).1f ms, request %(request_id)s"
BEGAN = time.time()
_requests = logging.getLogger("sagecask.serve.access")


class _Line(logging.LogRecord):
    """What Logger.info makes, less its search for thread, process and line of code, which take longer than a row."""

    _ALIKE = vars(logging.LogRecord(_requests.name, logging.INFO, __file__, 0, LINE, None, None))

    def __init__(self, entry: dict[str, Any]) -> None:
        now = time.time()
        parts = {"args": entry, "created": now, "msecs": now % 1 * 1000, "relativeCreated": (now - BEGAN) * 1000}
        vars(self).update(self._ALIKE, **entry, **parts)


class GunicornLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Hands records up to the root logger, which has the format; leaves successful pings and scrapes out.

    metrics : where requests are counted, once a worker has begun
    """

    metrics: Metrics | None = None

    def setup(self, cfg: Config) -> None:
        """Take the place of handlers, levels and formats of gunicorn's own."""
        self.cfg = cfg
        self.error_log = logging.getLogger("sagecask.serve.gunicorn")

    def access(self, resp: Response, req: Request, environ: dict[str, Any], request_time: timedelta) -> None:
        """Count and log one request: method, path, status, bytes, milliseconds, request id, trace, target model."""
        status, seconds = int(getattr(resp, "status_code", None) or 0), request_time.total_seconds()
        if self.metrics is not None:
            self.metrics.observe(route_of(req.path), status, seconds, environ.get(MODEL))
        if (req.path in QUIET and status == 200) or not _requests.isEnabledFor(logging.INFO):
            return
        entry = {
            "method": req.method,
            "path": ascii(req.path)[1:-1],
            "status": status,
            "bytes": int(getattr(resp, "sent", 0) or 0),
            "milliseconds": round(seconds * 1000, 1),
            **identifiers(environ),
        }
        if TARGET_MODEL in environ:
            entry["target_model"] = ascii(environ[TARGET_MODEL])[1:-1]
        _requests.handle(_Line(entry))
