import threading
import time
import traceback
from collections.abc import Callable, Generator

import pytest

from sagecask.channels.prefetch import AHEAD, prefetched


def settled(count: Callable[[], int]) -> int:
    """Return a count once it has stood still for a fifth of a second."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < 0.2:
        if count() != last:
            last, since = count(), time.monotonic()
        time.sleep(0.01)
    return last


def test_items_come_in_order():
    assert list(prefetched(lambda _: iter_to(1000))) == list(range(1000))


def iter_to(end: int) -> Generator[int, None, None]:
    yield from range(end)


def test_slow_caller_never_has_more_than_a_few_items_waiting():
    made: list[int] = []

    def source(_: Callable[[], bool]) -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            yield number

    items = prefetched(source)
    for taken in range(5):
        next(items)
        assert settled(lambda: len(made)) == taken + 1 + AHEAD
    items.close()


def test_items_are_made_while_the_caller_works():
    started = threading.Event()

    def source(_: Callable[[], bool]) -> Generator[int, None, None]:
        yield 0
        started.set()
        yield 1

    items = prefetched(source)
    next(items)
    assert started.wait(10)
    items.close()


def test_error_comes_when_its_turn_is_and_shows_where_it_arose():
    def source(_: Callable[[], bool]) -> Generator[int, None, None]:
        yield 0
        raise ValueError("line 2")

    items = prefetched(source)
    assert next(items) == 0
    with pytest.raises(ValueError, match="line 2") as caught:
        next(items)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "source"
    assert next(items, None) is None


def test_closing_ends_the_thread_and_closes_the_source():
    closed, waiting = threading.Event(), threading.Event()

    def source(cancelled: Callable[[], bool]) -> Generator[int, None, None]:
        try:
            yield 0
            waiting.set()
            while not cancelled():
                time.sleep(0.01)
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetched(source)
    next(items)
    assert waiting.wait(10)
    items.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_source_that_is_not_asked_is_not_started():
    made: list[int] = []
    prefetched(lambda _: iter_to(made.append(1) or 1)).close()
    assert made == []
