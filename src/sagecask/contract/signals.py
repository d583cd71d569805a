"""Why a process has ended by a signal, as far as the number and the kernel's count of memory kills tell."""

from __future__ import annotations

import signal
from pathlib import Path

_HINTS = {
    signal.SIGSEGV: "a fault in native code",
    signal.SIGBUS: "a fault in native code, or /dev/shm is full",
    signal.SIGILL: "an instruction that this processor does not have",
    signal.SIGFPE: "an arithmetic fault in native code",
    signal.SIGABRT: "aborted by native code",
}


def cause_of_death(number: int, *, killed_for_memory: bool) -> str:
    """Return the signal's number and name, and what is mostly behind it."""
    name = next((each.name for each in signal.Signals if each == number), "unknown")
    if number == signal.SIGKILL:
        hint = (
            "out of memory: the data or the model need a larger machine or memory limit"
            if killed_for_memory
            else "killed from outside, mostly for want of memory"
        )
    else:
        hint = next((text for each, text in _HINTS.items() if each == number), "")
    return f"signal {number} ({name}{': ' if hint else ''}{hint})"


def out_of_memory_kills() -> int:
    """Return how often the kernel killed in this cgroup for memory (version 2, then 1); 0 where it does not say."""
    for source in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            lines = Path(source).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        counts = dict(line.split() for line in lines if len(line.split()) == 2)
        return int(counts.get("oom_kill", 0))
    return 0
