"""By what a request is found again: its own identifier, and that of the trace it belongs to (W3C Trace Context)."""

from __future__ import annotations

import os
import re
from typing import Any

# where the log line of a request finds its identifier
REQUEST_ID = "sagecask.request_id"
SANE_ID = re.compile(r"[A-Za-z0-9._:=/+@-]{1,128}")
# section 3.2 of the recommendation: version ff and identifiers of zeros are invalid, later versions may say more
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def request_id(environ: dict[str, Any]) -> str:
    """Return the identifier of a request: what the client sent where it is harmless, else a fresh one."""
    if REQUEST_ID not in environ:
        sent = environ.get("HTTP_X_REQUEST_ID") or environ.get("HTTP_X_AMZN_REQUESTID") or ""
        environ[REQUEST_ID] = sent if SANE_ID.fullmatch(sent) else _fresh()
    return str(environ[REQUEST_ID])


def _fresh() -> str:
    """Return a random UUID (RFC 9562, version 4), in less than half of the time that the library's class takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def trace_id(environ: dict[str, Any]) -> str | None:
    """Return the trace that `traceparent` names, None without a valid one."""
    header = environ.get("HTTP_TRACEPARENT")
    if header is None:
        return None
    known = TRACEPARENT.fullmatch(header.strip())
    # version 00 has four fields and no more
    return None if known is None or (known[2] and header.startswith("00")) else known[1]


def identifiers(environ: dict[str, Any]) -> dict[str, str]:
    """Return `request_id`, and `trace_id` where there is one, as logs and refusals show them."""
    trace = trace_id(environ)
    return {"request_id": request_id(environ)} | ({"trace_id": trace} if trace else {})
