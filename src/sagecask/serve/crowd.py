"""Whom a worker cuts off where connections or threads run short: who keeps it waiting."""

from __future__ import annotations

import heapq
import logging
import resource
import time
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagecask.serve.connection import Connection

_log = logging.getLogger(__name__)

# of one worker, where the file limit allows them
MAX_CONNECTIONS = 20_000
# files that are no connections: listeners, logs, models, what the system's libraries open
RESERVED_FILES = 64
# one in so many connections is closed at a time
SHARE = 100
# looks (of 5 ms) at which no thread was left, and time that a thread waits for a client, until that one is cut off
SHORT_LOOKS = 50
SLOW_SECONDS = 1.0


def connection_limit() -> int:
    """Raise the limit of open files as far as it is allowed and needed; return the connections a process can hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - RESERVED_FILES)


class Crowd:
    """The connections of a worker, and what they hold of it.

    connections : all that are open
    attended : those that threads are at, with the time since when
    """

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.attended: dict[Connection, float] = {}
        self._short = 0

    def make_room(self) -> bool:
        """Close the connections that were quiet longest, none that is being answered; return whether there were any."""
        candidates = [each for each in list(self.connections) if not each.answering]
        count = max(1, len(self.connections) // SHARE)
        quietest = heapq.nsmallest(count, candidates, attrgetter("timeout"))
        for each in quietest:
            each.shut()
        _log.warning("%d connections are open, as many as can be: %d are closed", len(self.connections), len(quietest))
        return bool(quietest)

    def relieve(self, *, short: bool) -> None:
        """Take a thread from the client that keeps it waiting longest, where that has left none for some time.

        short : whether no thread looks for requests
        """
        self._short = self._short + 1 if short else 0
        if self._short <= SHORT_LOOKS:
            return
        waiting = [(since, conn) for conn, since in list(self.attended.items()) if conn.sending]
        since, slowest = min(waiting, key=itemgetter(0), default=(0.0, None))
        waited = time.monotonic() - since
        if slowest is not None and waited > SLOW_SECONDS:
            _log.warning("every thread is taken: a client that one waited for %.1f s is cut off", waited)
            self.attended.pop(slowest, None)
            slowest.shut()
