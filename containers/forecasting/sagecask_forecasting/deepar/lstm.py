"""The recurrent layers in training: compiled passes on a CPU in float32, operations of torch elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from sagecask_forecasting.deepar.native import compiled
from sagecask_forecasting.deepar.recurrent import BLOCK, SHARES, Sizes, Tapes, Zoneout, over_blocks, packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_TAPES = Tapes()


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What the layers see.

    history : (rows, points), `history[:, places + step]` are a step's lagged points
    places : (lags,) int64, on the CPU
    features : (rows, steps, features)
    base : (rows, 4 * cells), bias of the first layer's gates
    """

    history: Tensor
    places: Tensor
    features: Tensor
    base: Tensor

    def sizes(self, weights: tuple[Tensor, ...]) -> Sizes:
        """Return the sizes of rows and network."""
        rows, points = self.history.shape
        steps, features = self.features.shape[1:]
        outputs, cells = weights[-2].shape
        return Sizes(rows, steps, points, len(self.places), features, cells, (len(weights) - 2) // 3, outputs)


def outputs(inputs: Inputs, weights: tuple[Tensor, ...], zoneout: Zoneout, *, compiled_too: bool = True) -> Tensor:
    """Return (rows, steps, outputs).

    Parameters
    ----------
    weights : of each layer input (4 * cells, inputs), recurrent (4 * cells, cells) and bias (4 * cells,), then of
        the head (outputs, cells) and (outputs,); gates are input, forget, cell and output gate
    compiled_too : whether the compiled code may do it
    """
    fits = inputs.base.dtype == torch.float32 and inputs.base.device.type == "cpu" and len(inputs.base) > 0
    if compiled_too and fits:
        # inside of it gradients are never asked for
        returning = torch.is_grad_enabled() and any(each.requires_grad for each in (inputs.base, *weights))
        result: Tensor = _Compiled.apply(  # type: ignore[no-untyped-call]
            zoneout, returning, inputs.history, inputs.places, inputs.features, inputs.base, *weights
        )
        return result
    return by_operations(inputs, weights, zoneout)


class _Context(Protocol):
    """What the way back needs of the way there."""

    sizes: Sizes
    zoneout: Zoneout
    packed: Floats
    tape: Floats | None


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, zoneout: Zoneout, returning: bool, *given: Tensor) -> Tensor:
        history, places, features, base = (tensor.detach().contiguous().numpy() for tensor in given[:4])
        weights = given[4:]
        sizes = Inputs(*given[:4]).sizes(weights)
        whole = packed(sizes, [weight.detach().contiguous().numpy() for weight in weights])
        raw = np.empty((sizes.rows, sizes.steps, sizes.outputs), np.float32)
        tape = _TAPES.take(compiled.measure(sizes)[1] * sizes.blocks) if returning else None
        ctx.sizes, ctx.zoneout, ctx.packed, ctx.tape = sizes, zoneout, whole, tape

        def work(first: int, last: int) -> None:
            compiled.forward(sizes, whole, history, places, features, base, zoneout, tape, raw, None, first, last)

        over_blocks(sizes.blocks, torch.get_num_threads(), work)
        return torch.from_numpy(raw)

    @staticmethod
    def backward(ctx: _Context, raw_gradient: Tensor) -> tuple[Tensor | None, ...]:
        sizes, tape = ctx.sizes, ctx.tape
        if tape is None:
            raise RuntimeError("the way back was gone before, which uses up what the way there kept")
        gradient = raw_gradient.contiguous().numpy()
        base = np.empty((sizes.rows, 4 * sizes.cells), np.float32)
        parts = min(SHARES, sizes.blocks)
        shares = np.zeros((parts, compiled.measure(sizes)[2]), np.float32)

        def work(first: int, last: int) -> None:
            share = shares[(first * parts + parts - 1) // sizes.blocks]
            compiled.backward(sizes, ctx.packed, tape, gradient, ctx.zoneout, base, share, first, last)

        over_blocks(sizes.blocks, torch.get_num_threads(), work, parts)
        _TAPES.give(tape)
        ctx.tape = None
        found: list[Tensor | None] = [torch.from_numpy(each) for each in _gradients(sizes, shares.sum(axis=0))]
        # base has the first layer's bias in it
        found[2] = None
        return None, None, None, None, None, torch.from_numpy(base), *found


def _gradients(sizes: Sizes, share: Floats) -> list[Floats]:
    """Return the gradients of all weights out of the sum of all shares."""
    cells, found, at = sizes.cells, [], 0
    for layer in range(sizes.layers):
        seen = cells + (cells if layer else sizes.lags + sizes.features)
        whole = share[at : at + 4 * cells * seen].reshape(cells, 4, seen).transpose(1, 0, 2).reshape(4 * cells, seen)
        at += 4 * cells * seen
        bias = share[at : at + 4 * cells].reshape(cells, 4).T.reshape(-1)
        at += 4 * cells
        found += [np.ascontiguousarray(whole[:, cells:]), np.ascontiguousarray(whole[:, :cells]), bias]
    head = share[at : at + 4 * cells].reshape(4, cells)[: sizes.outputs]
    return [*found, head, share[at + 4 * cells :][: sizes.outputs]]


def by_operations(inputs: Inputs, weights: tuple[Tensor, ...], zoneout: Zoneout) -> Tensor:
    """Return what `outputs` does, by operations of torch, on any device and in any precision."""
    sizes = inputs.sizes(weights)
    steps = torch.arange(sizes.steps)
    lagged = inputs.history[:, (inputs.places[:, None] + steps).to(inputs.history.device)].transpose(1, 2)
    shown = torch.cat([lagged, inputs.features], dim=2)
    for layer in range(sizes.layers):
        first, second, bias = weights[3 * layer : 3 * layer + 3]
        gates = shown @ first.T + (bias if layer else inputs.base[:, None])
        shown = _along(gates, second.T, _kept(zoneout, sizes, layer, gates))
    return shown @ weights[-2].T + weights[-1]


def _along(gates: Tensor, recurrent: Tensor, kept: tuple[Tensor, Tensor]) -> Tensor:
    """Return (rows, steps, cells), the hidden states of a layer.

    Parameters
    ----------
    gates : (rows, steps, 4 * cells), what inputs and biases give them
    kept : (steps, rows, cells) each, share of the old hidden state and cell in the new ones
    """
    hidden = cell = torch.zeros_like(gates[:, 0, : recurrent.shape[0]])
    along = []
    for step, (of_hidden, of_cell) in enumerate(zip(*kept, strict=True)):
        taken, held, new, out = torch.addmm(gates[:, step], hidden, recurrent).chunk(4, dim=1)
        moved = torch.sigmoid(held) * cell + torch.sigmoid(taken) * torch.tanh(new)
        hidden = torch.lerp(torch.sigmoid(out) * torch.tanh(moved), hidden, of_hidden)
        cell = torch.lerp(moved, cell, of_cell)
        along.append(hidden)
    return torch.stack(along, dim=1)


def _kept(zoneout: Zoneout, sizes: Sizes, layer: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of hidden state and cell that each unit keeps, 0 or 1, or one for all: (steps, rows, cells)."""
    shape = (sizes.steps, sizes.rows, sizes.cells)
    if not zoneout.threshold:
        share = torch.full((), zoneout.keep, dtype=like.dtype, device=like.device).expand(shape)
        return share, share
    steps, rows, units = (torch.arange(size, device=like.device) for size in shape)
    unit = (layer * sizes.steps + steps[:, None]) * sizes.cells + units
    place = rows[:, None] + unit[:, None, :] * sizes.blocks * BLOCK
    # the hash of native/kernels.h
    mixed = (place + zoneout.first) & _WORD
    mixed = ((mixed ^ (mixed >> 16)) * 0x7FEB352D) & _WORD
    mixed = (((mixed ^ (mixed >> 15)) ^ zoneout.second) * 0x846CA68B) & _WORD
    mixed = mixed ^ (mixed >> 16)
    hidden, cell = mixed & 0xFFFF, mixed >> 16
    return (hidden < zoneout.threshold).to(like.dtype), (cell < zoneout.threshold).to(like.dtype)


_WORD = 0xFFFFFFFF
