"""Nested states, such as an optimizer's, parted into what JSON can say and tensors by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping


def split(value: object, name: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON has it, each tensor replaced by its name; tensors go to `tensors`, on the CPU.

    Dictionaries keep keys that are no text, and their order.
    """
    if isinstance(value, Tensor):
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"items": [[key, split(each, f"{name}.{key}", tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        parts = [split(each, f"{name}.{index}", tensors) for index, each in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    return value


def join(value: Any, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - as above
    """Undo `split`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "items":
        return {key: join(each, tensors) for key, each in content}
    parts = [join(each, tensors) for each in content]
    return tuple(parts) if kind == "tuple" else parts
