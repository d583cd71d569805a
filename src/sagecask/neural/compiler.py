"""Optimizers without torch's compiler, whose import takes longer than that of all the rest of torch."""

from __future__ import annotations

import inspect
from types import MethodType
from typing import TYPE_CHECKING

import torch
from torch.optim import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn


def uncompiled(make: Callable[[Iterator[nn.Parameter]], Optimizer], parameters: Iterator[nn.Parameter]) -> Optimizer:
    """Return an optimizer that does not ask torch's compiler to leave it alone, which would import it.

    That is 2.5 s of CPU time in each process, when an optimizer is made or first steps. Where torch asks in another
    way, nothing is saved and nothing lost.

    Source: torch 2.13, `_disable_dynamo` (torch/_compile.py), `_use_grad_for_differentiable` (torch/optim/optimizer.py)
    """
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        method = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if method is not None:
            method.__dynamo_disable = method
    optimizer = make(parameters)
    hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    if not hooks and not optimizer.defaults.get("differentiable"):
        step = torch.no_grad()(inspect.unwrap(type(optimizer).step))
        optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]
    return optimizer
