"""Reading ahead: what comes next is decoded in a thread while the caller works on what it has."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")

AHEAD = 3
"""Items that wait at most; one more is in the caller's hands."""


class _End:
    """Stands behind the last item."""


_END: Final = _End()


def prefetched(
    source: Callable[[Callable[[], bool]], Generator[T, None, None]], ahead: int = AHEAD
) -> Generator[T, None, None]:
    """Yield the items of `source` in order, at most `ahead` of them made before they are asked for.

    An error of the source is raised in the caller when its turn comes, with its own traceback. Closing the generator
    ends the thread and closes the source.

    Parameters
    ----------
    source : gets a function that says whether the caller has gone, which it is to ask while it waits
    """
    cancelled = Event()
    items = source(cancelled.is_set)
    waiting: deque[Future[T | _End]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        waiting.extend(pool.submit(_next, items) for _ in range(ahead))
        while not isinstance(item := waiting.popleft().result(), _End):
            waiting.append(pool.submit(_next, items))
            yield item
            # an item in the caller's hands must not be kept alive from here
            del item
    finally:
        cancelled.set()
        pool.shutdown(cancel_futures=True)
        items.close()


def _next(items: Iterator[T]) -> T | _End:
    return next(items, _END)
