"""What gunicorn says, and one line per request, through the house's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger

from sagecask.serve.app import request_id

if TYPE_CHECKING:
    from datetime import timedelta

    from gunicorn.config import Config
    from gunicorn.http.message import Request
    from gunicorn.http.wsgi import Response

_requests = logging.getLogger("sagecask.serve.access")


class GunicornLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Hands records up to the root logger, which has the format; leaves successful pings out."""

    def setup(self, cfg: Config) -> None:
        """Take the place of handlers, levels and formats of gunicorn's own."""
        self.cfg = cfg
        self.error_log = logging.getLogger("sagecask.serve.gunicorn")

    def access(self, resp: Response, req: Request, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log one request: method, path, status, bytes of the answer, milliseconds, request id."""
        status = int(str(resp.status).split()[0])
        if req.path == "/ping" and status == 200:
            return
        entry = {
            "method": req.method,
            "path": ascii(req.path)[1:-1],
            "status": status,
            "bytes": int(getattr(resp, "sent", 0) or 0),
            "milliseconds": round(request_time.total_seconds() * 1000, 1),
            "request_id": request_id(environ),
        }
        _requests.info(
            "%(method)s %(path)s %(status)d, %(bytes)d bytes, %(milliseconds).1f ms, request %(request_id)s",
            entry,
            extra=entry,
        )
