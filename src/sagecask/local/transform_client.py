"""Requests of a transform job: a few at a time, repeated where that may help, answers in the order of the records."""

from __future__ import annotations

import http.client
import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagecask.errors import PlatformError, UserError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from sagecask.local.records import Piece

TOO_MANY_REQUESTS = 429
_CHUNK = 64 * 1024
# answers and statuses that say nothing against the request itself
_LOST: tuple[int | None, ...] = (None, TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to one request."""

    body: bytes
    content_type: str | None


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one server.

    repeats : of a request that was refused for the server's reasons, or not answered
    chunked : sends bodies in chunks of unannounced number
    """

    port: int
    headers: Mapping[str, str]
    stopped: threading.Event
    timeout_seconds: int = 600
    repeats: int = 3
    chunked: bool = False

    def answers(
        self, requests: Iterable[tuple[Piece, bytes]], where: str, width: int
    ) -> Iterator[tuple[Piece, Answer]]:
        """Yield each piece with the answer to its body, in order; `width` requests are under way.

        Raises
        ------
        UserError : the server refuses a request; says which records
        PlatformError : the server fails, or does not answer, as often as the request is repeated
        KeyboardInterrupt : `stopped` was set
        """
        waiting: deque[tuple[Piece, Future[Answer]]] = deque()
        with ThreadPoolExecutor(width) as pool:
            try:
                for piece, body in requests:
                    waiting.append((piece, pool.submit(self._send, body, _place(where, piece))))
                    if len(waiting) == width:
                        yield self._next(waiting)
                while waiting:
                    yield self._next(waiting)
            finally:
                pool.shutdown(cancel_futures=True)

    def execution_parameters(self) -> Mapping[str, Any]:
        """Return what the server says of itself (contract 12.4), or nothing."""
        status, answer = self._exchange("GET", "/execution-parameters", None)
        try:
            content = json.loads(answer.body) if status == 200 else {}
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _next(self, waiting: deque[tuple[Piece, Future[Answer]]]) -> tuple[Piece, Answer]:
        if self.stopped.is_set():
            raise KeyboardInterrupt
        piece, future = waiting.popleft()
        return piece, future.result()

    def _send(self, body: bytes, where: str) -> Answer:
        for attempt in range(self.repeats + 1):
            status, answer = self._exchange("POST", "/invocations", body)
            if status is not None and 200 <= status < 300:
                return answer
            theirs = status in _LOST or (status is not None and status >= 500)
            if not theirs or attempt == self.repeats or self.stopped.wait(2**attempt / 10):
                break
        got = "no answer" if status is None else f"{status}: {_message(answer.body)}"
        raise (PlatformError if theirs else UserError)(f"{where}: the server must answer 200; got {got}")

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int | None, Answer]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_seconds)
        headers = dict(self.headers) if body is not None else {}
        content: bytes | Iterator[bytes] | None = body
        if self.chunked and body is not None:
            headers["Transfer-Encoding"] = "chunked"
            content = (body[place : place + _CHUNK] for place in range(0, len(body), _CHUNK))
        try:
            connection.request(method, path, content, headers, encode_chunked=self.chunked)
            response = connection.getresponse()
            return response.status, Answer(response.read(), response.getheader("Content-Type"))
        except (OSError, http.client.HTTPException):
            return None, Answer(b"", None)
        finally:
            connection.close()


def _place(where: str, piece: Piece) -> str:
    if piece.whole:
        return where
    if piece.first == piece.last:
        return f"{where}, record {piece.first}"
    return f"{where}, records {piece.first} to {piece.last}"


def _message(answer: bytes) -> str:
    """Return the cause that an error's body gives, on one line."""
    text = answer.decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict):
        text = str(content.get("error") or content.get("message") or text)
    return " ".join(text.split()) or "an empty body"
