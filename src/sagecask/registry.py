"""Algorithm names to algorithms, through the entry points of the installed families."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from sagecask.errors import UsageError

if TYPE_CHECKING:
    from sagecask.algorithm import Algorithm

GROUP = "sagecask.algorithms"


def names() -> list[str]:
    """Return the names of the installed algorithms, sorted."""
    return sorted(entry_points(group=GROUP).names)


def load(name: str) -> Algorithm:
    """Import an algorithm.

    Raises
    ------
    UsageError : no installed family has it
    """
    points = entry_points(group=GROUP, name=name)
    if not points:
        installed = ", ".join(names()) or "none"
        raise UsageError(f'algorithm: one that is installed ({installed}); got "{name}"')
    algorithm: Algorithm = next(iter(points)).load()()
    return algorithm


def only() -> str | None:
    """Return the name of the one installed algorithm, or None when there are several or none."""
    installed = names()
    return installed[0] if len(installed) == 1 else None
