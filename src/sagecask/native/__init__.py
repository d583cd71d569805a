"""The compiled core: parsers over whole buffers, in C. `core` is None where it was not built."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sagecask.native.interface import Core

__all__ = ["core"]


def _load() -> Core | None:
    try:
        module = import_module("sagecask.native._core")
    except ImportError:
        return None
    return cast("Core", module)


core = _load()
