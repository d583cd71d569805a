"""The room that a worker has for requests of which only a part has come: who waits for it, who is cut off for it."""

from __future__ import annotations

import heapq
import logging
import socket
import threading
import time
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagecask.serve.connection import Connection

_log = logging.getLogger(__name__)

# of one worker; beyond `LONG_BYTES` only short requests are received
ROOM_BYTES = 256 * 1024 * 1024
LONG_BYTES = 192 * 1024 * 1024
SHORT_BYTES = 65536
# for which a client may send nothing while others wait for room
SILENT_SECONDS = 1.0
# one in so many is closed at a time
SHARE = 100


@dataclass(slots=True)
class _Part:
    """The bytes of a request that are here, and when some came last."""

    size: int = 0
    heard: float = 0.0


class HalfSent:
    """Requests of which a part has come.

    Where the room is full, nothing more of long ones is received but of the first that asks, for room comes by requests
    that end. It may be larger than the room.

    waiting : clients from whom nothing is received
    """

    def __init__(self) -> None:
        self.waiting: dict[Connection, None] = {}
        self._parts: dict[Connection, _Part] = {}
        self._bytes = 0
        self._first: Connection | None = None
        self._guard = threading.Lock()

    def keep(self, conn: Connection) -> None:
        """Count what has arrived of a request that is not whole."""
        with self._guard:
            part = self._parts.setdefault(conn, _Part())
            # the first is not counted, or it could leave no room to all others
            size = 0 if conn is self._first else conn.parser.collected()
            self._bytes += size - part.size
            part.size, part.heard = size, time.monotonic()
        if self._bytes > ROOM_BYTES:
            self._cut_off(self._quietest(0.0))

    def let_go(self, conn: Connection) -> None:
        """Count no longer what `keep` counted."""
        if conn in self._parts:
            with self._guard:
                self._bytes -= self._parts.pop(conn).size
                if conn is self._first:
                    self._first = None

    def admits(self, conn: Connection) -> bool:
        """Return whether what comes from a client is received now."""
        if self._bytes <= LONG_BYTES or conn.cut_off:
            return True
        part = self._parts.get(conn)
        if part is None or part.size <= SHORT_BYTES:
            return True
        with self._guard:
            if self._first is not None:
                return False
            self._first = conn
            self._bytes -= part.size
            part.size = 0
            return True

    def resumed(self) -> list[Connection]:
        """Return the clients that need wait no longer; where there is no room, cut off some that send nothing."""
        full = self._first is not None and self._bytes > LONG_BYTES
        if full:
            self._cut_off([conn for conn in self._quietest(SILENT_SECONDS) if _sends_nothing(conn)])
        resumed = [conn for conn in self.waiting if conn.cut_off or not full]
        for conn in resumed:
            del self.waiting[conn]
            self._parts[conn].heard = time.monotonic()
        return resumed

    def _quietest(self, seconds: float) -> list[Connection]:
        """Return one in `SHARE`, at least one, of those that were not heard for so long, the longest quiet first."""
        latest = time.monotonic() - seconds
        quiet = [
            (part.heard, conn)
            for conn, part in list(self._parts.items())
            if part.heard <= latest and not conn.answering and conn not in self.waiting
        ]
        return [conn for _, conn in heapq.nsmallest(max(1, len(quiet) // SHARE), quiet, key=itemgetter(0))]

    def _cut_off(self, clients: list[Connection]) -> None:
        for conn in clients:
            conn.shut()
        if clients:
            _log.warning("%d half-sent requests fill the room for them: %d are closed", len(self._parts), len(clients))


def _sends_nothing(conn: Connection) -> bool:
    """Return whether a client, and not a thread that would receive from it, is who lets time pass."""
    try:
        conn.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError as error:
        _log.debug("connection was closed already: %s", error)
    return False
