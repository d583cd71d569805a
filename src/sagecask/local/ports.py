"""TCP ports of the loopback interface for servers that are about to start."""

from __future__ import annotations

import os
import random
import socket
import sys

from sagecask.errors import PlatformError

# below what kernels hand out to connections (32768 and up), where any client could take a port that was just found
LOWEST, HIGHEST = 10_000, 32_000
TRIES = 100
# descriptors of sockets that mark ports as found: two processes that look at the same time must not find the same
_found: dict[int, int] = {}
MOST_FOUND = 64


def free_port(count: int = 1) -> int:
    """Return the first of `count` ports in a row that nothing listens on and no other process has just found.

    Raises
    ------
    PlatformError : none was found
    """
    for _ in range(TRIES):
        first = random.randrange(LOWEST, HIGHEST - count + 1)  # noqa: S311 - no secret
        if all(_free(port) and _mark(port) for port in range(first, first + count)):
            return first
    raise PlatformError(f"endpoint: {count} free ports in a row must be found below {HIGHEST}; got none")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _mark(port: int) -> bool:
    """Take a name that belongs to the port, until this process ends or has found many others."""
    if sys.platform != "linux" or port in _found:
        return True
    mark = socket.socket(socket.AF_UNIX)
    try:
        # no file: the name goes with the socket
        mark.bind(f"\0sagecask-port-{port}")
    except OSError:
        mark.close()
        return False
    # open until the process ends
    _found[port] = mark.detach()
    if len(_found) > MOST_FOUND:
        os.close(_found.pop(next(iter(_found))))
    return True
