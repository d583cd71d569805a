"""Everything that training goes on from after an epoch, and the bytes it is kept as."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors.torch import load, save

from sagecask.neural.progress import Progress
from sagecask.neural.tree import join, split

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.amp import GradScaler
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_KEY = "sagecask"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An epoch that was stopped in its middle.

    batches : mini-batches done
    sums : their loss, weight and records over all processes
    random : (processes, n) uint8, the random state of each
    """

    batches: int
    sums: tuple[float, float, float]
    random: Tensor


@dataclass
class State:
    """The state of one training.

    best : the module's state after the best epoch, on the module's device
    interrupted : None after a whole epoch
    """

    module: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler | None
    scaler: GradScaler
    progress: Progress = field(default_factory=Progress)
    best: dict[str, Tensor] = field(default_factory=dict)
    interrupted: Interrupted | None = None

    def keep(self) -> None:
        """Note that the module is the best so far."""
        self.best = self.weights()

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the module's state."""
        return {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}

    def pack(self, identity: dict[str, object]) -> bytes:
        """Return a safetensors file whose metadata hold, as JSON, all that is no tensor."""
        tensors: dict[str, Tensor] = {}
        parts = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "scaler": self.scaler.state_dict(),
            "progress": vars(self.progress),
        }
        if self.interrupted is not None:
            parts["interrupted"] = asdict(self.interrupted)
        # where the latest epoch is the best, its weights are there already
        if self.interrupted is not None or self.progress.best_epoch != self.progress.epochs - 1:
            parts["best"] = self.best
        about = {name: split(dict(part) if part else part, name, tensors) for name, part in parts.items()}
        return save(tensors, {_KEY: json.dumps({"training": about, "identity": identity}, sort_keys=True)})

    def unpack(self, data: bytes) -> None:
        """Go back to what `pack` has returned."""
        tensors = load(data)
        parts = {name: join(part, tensors) for name, part in about(data)["training"].items()}
        self.module.load_state_dict(parts["module"])
        self.optimizer.load_state_dict(parts["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(parts["schedule"])
        self.scaler.load_state_dict(parts["scaler"])
        self.progress = Progress(**parts["progress"])
        self.interrupted = Interrupted(**parts["interrupted"]) if "interrupted" in parts else None
        self.best = self.weights()
        for name, tensor in parts.get("best", {}).items():
            self.best[name].copy_(tensor)


def about(data: bytes) -> dict[str, Any]:
    """Return what the metadata of a packed state say.

    Raises
    ------
    KeyError, ValueError : the bytes are none of `State.pack`

    Source: https://huggingface.co/docs/safetensors, "Format"
    """
    length = int.from_bytes(data[:8], "little")
    found = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    if not isinstance(found, dict) or not found.keys() >= {"training", "identity"}:
        raise KeyError("training")
    return found
