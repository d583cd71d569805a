"""TCP ports of the loopback interface for servers that are about to start."""

from __future__ import annotations

import random
import socket

from sagecask.errors import PlatformError

# below what kernels hand out to connections (32768 and up), where any client could take a port that was just found
LOWEST, HIGHEST = 10_000, 32_000
TRIES = 100


def free_port(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nothing listens on at this moment.

    Raises
    ------
    PlatformError : none was found
    """
    for _ in range(TRIES):
        first = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - no secret
        if all(_free(port) for port in range(first, first + count)):
            return first
    raise PlatformError(f"endpoint: {count} free ports in a row must be found below {HIGHEST}; got none")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
