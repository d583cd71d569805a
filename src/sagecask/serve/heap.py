"""What is asked of the C library's heap, where it is glibc's: freed memory goes back to the system."""

from __future__ import annotations

import ctypes

# of mallopt
M_ARENA_MAX = -8


def keep_few_arenas() -> None:
    """Serve all threads from two heaps: what is freed in one of many is seldom given back."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 2)


def trim() -> None:
    """Give freed memory back."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
