"""Memory that this process may still take: of the machine, and of every cgroup around it."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MEMINFO = Path("/proc/meminfo")


def available_memory() -> int | None:
    """Return bytes that can be taken before the machine or a cgroup runs out; None where neither tells."""
    bounds = [bytes_left for folder in _cgroups() if (bytes_left := _left(folder)) is not None]
    machine = _entries(MEMINFO).get("MemAvailable:")
    if machine is not None:
        bounds.append(machine * 1024)
    return max(0, min(bounds)) if bounds else None


def _cgroups() -> set[Path]:
    """Return the folders of the memory cgroup and all above it; in a container it is its own root."""
    folders = {CGROUPS, CGROUPS / "memory"}
    try:
        lines = MEMBERSHIP.read_text(encoding="ascii").splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in {"", "memory"}:
            own = CGROUPS / controllers / path.strip("/")
            folders |= {each for each in (own, *own.parents) if each.is_relative_to(CGROUPS)}
    return folders


def _left(folder: Path) -> int | None:
    """Return the limit less what is used and cannot be given back, of cgroup version 2 or 1."""
    for limit, usage, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        allowed, used = _number(folder / limit), _number(folder / usage)
        if allowed is not None and used is not None:
            return allowed - used + _entries(folder / "memory.stat").get(reclaimable, 0)
    return None


def _number(path: Path) -> int | None:
    """Return what a file holds, None when there is none, or `max`."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _entries(path: Path) -> dict[str, int]:
    """Return the first two words of each line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {words[0]: int(words[1]) for line in lines if len(words := line.split()) > 1 and words[1].isdigit()}
