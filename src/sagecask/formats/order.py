"""Blocks decoded side by side, by code that releases the interpreter's lock, and handed out in their order."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sagecask.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")
R = TypeVar("R")

MAX_THREADS = 8


def in_order(work: Callable[[T], R], items: Iterator[T], *, side_by_side: bool = True) -> Generator[R, None, None]:
    """Yield `work` of each item in order, done in as many threads as the process has processors.

    Items of one more than the threads are in memory at most. An error is raised when its turn comes.
    """
    threads = min(len(os.sched_getaffinity(0)), MAX_THREADS)
    if threads < 2 or not side_by_side:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[R]] = deque()
    fault = None
    try:
        while fault is None:
            try:
                waiting.append(pool.submit(work, next(items)))
            except StopIteration:
                break
            except DataError as error:
                # what comes before it has its say first
                fault = error
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if fault is not None:
        raise fault
