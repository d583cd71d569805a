"""Checkpoints of a training: one file an epoch, whole or interrupted, written and read by the first process for all."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load

from sagecask.errors import ModelDataError
from sagecask.neural.state import about

if TYPE_CHECKING:
    from pathlib import Path

    from sagecask.checkpoints import Checkpoints
    from sagecask.neural.plan import Plan
    from sagecask.neural.state import State
    from sagecask.neural.world import World

_log = logging.getLogger(__name__)


class Resuming:
    """The state of one training as files `checkpoint.N`, N being the epoch that was done, or interrupted."""

    def __init__(self, checkpoints: Checkpoints, world: World, state: State, plan: Plan) -> None:
        self._checkpoints = checkpoints
        self._world = world
        self._state = state
        self._identity = _identity(plan, state)

    def save(self) -> None:
        """Write the state after an epoch or in its middle; a job without a checkpoint folder writes nothing.

        Raises
        ------
        PlatformError : the folder cannot be written, or is full
        """
        if self._world.part.rank or self._checkpoints.folder is None:
            return
        data = self._state.pack(self._identity)
        epoch = self._state.progress.epochs - (self._state.interrupted is None)
        self._checkpoints.save(epoch, lambda path: _write(path, data))

    def restore(self) -> None:
        """Go back to the newest whole checkpoint that the first process has; without one do nothing.

        Raises
        ------
        ModelDataError : the checkpoint is of another training
        """
        path, data = self._newest() if self._world.part.rank == 0 else (None, b"")
        data = self._world.broadcast(data)
        if not data:
            return
        name = path.name if path else "checkpoint"
        self._check(name, data)
        self._state.unpack(data)
        interrupted = self._state.interrupted
        more = f" and {interrupted.batches} mini-batches" if interrupted else ""
        _log.info("resuming from %s: %d epochs%s are done", name, self._state.progress.epochs, more)

    def _newest(self) -> tuple[Path | None, bytes]:
        """Return the newest file that is whole; those that are not get another name, so that nothing counts them."""
        while (found := self._checkpoints.latest()) is not None:
            step, path = found
            data = path.read_bytes()
            try:
                load(data)
            except SafetensorError as error:
                aside = self._checkpoints.set_aside(step)
                _log.warning("%s: a whole checkpoint is needed; got %s; it is %s now", path.name, error, aside.name)
            else:
                return path, data
        return None, b""

    def _check(self, name: str, data: bytes) -> None:
        """Refuse the checkpoint of another training: what it has learned must not be mixed with this one's."""
        try:
            found = about(data)["identity"]
        except (KeyError, ValueError) as error:
            raise ModelDataError(
                f"{name}: a checkpoint of this algorithm is needed; got another file: another checkpoint folder is "
                "needed, or an empty one"
            ) from error
        wanted = json.loads(json.dumps(self._identity))
        if found == wanted:
            return
        raise ModelDataError(
            f"{name}: a checkpoint of a job with the same settings is needed; got one with {_difference(found, wanted)}"
            ": those settings are needed, or another checkpoint folder"
        )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _identity(plan: Plan, state: State) -> dict[str, Any]:
    """Return what must be equal for a checkpoint to be gone on from."""
    shapes = {name: [str(tensor.dtype), *tensor.shape] for name, tensor in state.module.state_dict().items()}
    return {
        "settings": {**plan.settings},
        "seed": plan.seed,
        "gradient_clip": plan.gradient_clip,
        "optimizer": f"{type(state.optimizer).__name__} {state.optimizer.defaults}",
        "schedule": type(state.schedule).__name__,
        "module": hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest(),
    }


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return the first settings that differ, in words; of the rest where the family's own settings are equal."""
    before, now = found.get("settings", {}), wanted["settings"]
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if not names:
        before, now = found, wanted
        names = [name for name in wanted if found.get(name) != wanted[name]]
    if names == ["module"]:
        return "weights of other shapes"
    return ", ".join(
        f"{name} {json.dumps(before.get(name))} instead of {json.dumps(now.get(name))}" for name in names[:3]
    )
