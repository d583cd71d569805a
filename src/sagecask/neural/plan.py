"""How a network is trained, whatever it computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import torch
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of the epoch loop; callables must be picklable where a host has several GPUs: `partial(Adam, lr=0.01)`.

    optimizer : gets the module's parameters
    schedule : gets the optimizer; stepped after each epoch or batch, with what is watched if it is a ReduceLROnPlateau
    gradient_clip : largest norm of all gradients together
    patience : epochs without a better value that end training
    tolerance : by how much a value must be less than the best to count as better
    mixed_precision : on GPUs, bfloat16 where they have it, else float16 with scaled losses; or one of the two
    batches_per_line : a metric line every so many mini-batches
    loss_name : name of the training loss in metric lines
    settings : what a checkpoint must have been written under to be resumed, such as all hyperparameters but `epochs`;
        values as JSON has them
    """

    epochs: int
    optimizer: Callable[[Iterator[nn.Parameter]], Optimizer]
    schedule: Callable[[Optimizer], LRScheduler] | None = None
    schedule_per: Literal["batch", "epoch"] = "epoch"
    gradient_clip: float | None = None
    patience: int | None = None
    tolerance: float = 0.0
    seed: int = 0
    mixed_precision: bool | torch.dtype = False
    batches_per_line: int | None = None
    loss_name: str = "loss"
    settings: Mapping[str, object] = field(default_factory=dict)
