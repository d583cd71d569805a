"""Whether a server of this machine answers /ping."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.05


def ping(port: int) -> int | None:
    """Return the status of GET /ping, or None where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for_ping(port: int, seconds: float, given_up: Callable[[], bool]) -> bool:
    """Return whether /ping answered 200 in time and before `given_up`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not given_up():
        if ping(port) == 200:
            # another server may hold the port of one that could not take it
            return not given_up()
        time.sleep(POLL_SECONDS)
    return False
