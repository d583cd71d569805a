"""Random state: a function of seed, epoch and process at the start of an epoch, and to be kept in its middle."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sagecask.neural.task import Part


def seed_module(seed: int) -> None:
    """Set torch's random state for the first weights, equal in all processes."""
    torch.manual_seed(_derived(seed))


def seed_epoch(seed: int, epoch: int, part: Part) -> np.random.Generator:
    """Set torch's random state for an epoch of one process; return the generator that all processes share."""
    torch.manual_seed(_derived(seed, 1, epoch, part.rank))
    return np.random.default_rng([seed, epoch])


def random_state(device: torch.device) -> torch.Tensor:
    """Return (n,) uint8, torch's random state in the middle of an epoch: of the CPU, then of a GPU."""
    state = torch.get_rng_state()
    return torch.cat([state, torch.cuda.get_rng_state(device)]) if device.type == "cuda" else state


def set_random_state(device: torch.device, state: torch.Tensor) -> None:
    """Go back to a random state; one of another kind of device changes nothing."""
    length = len(torch.get_rng_state())
    if (len(state) > length) != (device.type == "cuda"):
        return
    # torch reads it in place and faults where it is not aligned, as a row of a file's bytes may be
    torch.set_rng_state(state[:length].clone())
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[length:].clone(), device)


def _derived(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


@contextmanager
def deterministic() -> Iterator[None]:
    """Let torch choose algorithms whose results are the same each time; where it has none, it warns in the log.

    Source: https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    # cuBLAS reads it when its first handle is made
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_deterministic_debug_mode()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    # as use_deterministic_algorithms, but for its import of the compiler
    torch.set_deterministic_debug_mode("warn")
    # fresh memory is written before it is read
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]
