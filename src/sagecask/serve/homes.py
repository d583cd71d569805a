"""Threads in which models are read and given up.

Libraries keep buffers by thread that only the thread which filled them frees. XGBoost's learner, for one, takes its
entry out of the store of the thread that destroys it (3.2, src/learner.cc): a copy as large as the model's file would
stay behind for each model that another thread gives up.
"""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from sagecask.serve.heap import trim

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# models that are read side by side; the rest of reading needs a CPU each
HOMES = 4


@dataclass
class Home:
    """One thread, started when it is first needed, so that a fork before does no harm; `waiting` for it, or in it."""

    waiting: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="models"))

    def run(self, work: Callable[[], T]) -> T:
        """Do something in this thread, then collect what it left and give freed memory back to the system."""
        with self._counting:
            self.waiting += 1
        try:
            return self._thread.submit(_tidily, work).result()
        finally:
            with self._counting:
                self.waiting -= 1


def _tidily(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        # parts of a model can be in a cycle, and the tracebacks of what went wrong with it
        gc.collect()
        trim()
