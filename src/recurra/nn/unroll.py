"""A layer as pure functions of its state, for inspection: one step, and a plain loop over time that keeps every state.

Both are in evaluation mode: dropout does not act, and zoneout has its expected value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..cells import Cell, Params
from .base import RecurrentBase
from .layout import SequenceLayout

BLOCK_ROWS = 1024  # rows of one projection on a CPU
# edit(direction, t, state) returns the state that replaces the state after time step t
Edit = Callable[["Direction", int, Any], Any]


@dataclass(frozen=True)
class Direction:
    """One direction of one layer.

    Attributes:
        layer: index of the layer, k.
        reverse: whether it reads the sequences backwards.
        cell: its cell.
        input_size: number of features that it reads.
        params: its parameters by name.
        sizes: number of features of each component of the state.
        zoneout: for each component, the fraction that keeps its old value.
    """

    layer: int
    reverse: bool
    cell: Cell
    input_size: int
    params: Params
    sizes: dict[str, int]
    zoneout: tuple[float, ...]

    @property
    def name(self) -> str:
        """Its name in results, such as "l0.forward"."""
        return f"l{self.layer}.{'reverse' if self.reverse else 'forward'}"

    def step(self, projected: Tensor, state: Any, cell: Cell | None = None) -> Any:
        """Return the state after one step, with zoneout. `cell` replaces the cell of the layer."""
        cell = cell or self.cell
        new = cell.step(projected, state, self.params)
        mixed = (
            q * old + (1 - q) * value if q else value for q, old, value in zip(self.zoneout, state, new, strict=True)
        )
        return cell.state_type(*mixed)

    def zeros(self, B: int) -> Any:
        """Return the state of zeros, (B, size) per component."""
        like = next(iter(self.params.values()))
        return self.cell.state_type(*(like.new_zeros(B, size) for size in self.sizes.values()))


def directions_of(layer: RecurrentBase) -> list[Direction]:
    """Return the directions of all layers, in the order of the state: l0.forward, l0.reverse, l1.forward, ..."""
    found = []
    for k, end in layer._name_suffixes():
        params = {name: layer._weight(name + end) for name in layer._own_names[k]}
        zoneout = tuple(layer.options.zoneout_of(component) for component in layer._sizes[k])
        reverse, sizes = end.endswith("_reverse"), dict(layer._sizes[k])
        found.append(Direction(k, reverse, layer.cells[k], layer._input_size(k), params, sizes, zoneout))
    return found


def over_layers(
    layer: RecurrentBase, x: Tensor, lengths: Tensor | None, run_layer: Callable[[int, Tensor], Tensor]
) -> Tensor:
    """Return the output y (B, T, D*H) of a stack in evaluation mode. run_layer(k, x) returns the output of one layer, with
    its directions side by side."""
    for k in range(layer.num_layers):
        y = layer.options.merge_directions(run_layer(k, x))
        x = x + y if layer.options.residual and k > 0 else y
        if k + 1 < layer.num_layers:
            x = layer._between_layers(k, x, lengths, SequenceLayout())
    return x


def starting_state(layer: RecurrentBase, B: int, state: Sequence[Tensor] = ()) -> list[Any]:
    """Return the initial state of each direction: `state`, flat and in the order of the layer, or that of the layer."""
    found = directions_of(layer)
    flat = list(state) or [component.repeat(B, 1) for component in layer._initial()]
    return split_state(found, flat) if flat else [d.zeros(B) for d in found]


def split_state(found: Sequence[Direction], state: Sequence[Tensor]) -> list[Any]:
    """Return the state of each direction from the flat list `state`."""
    split, begin = [], 0
    for d in found:
        split.append(d.cell.state_type(*state[begin : begin + len(d.sizes)]))
        begin += len(d.sizes)
    return split


@dataclass(frozen=True)
class Unrolled:
    """The result of `unroll`.

    Attributes:
        y: (B, T, D*H), the output; zero in the padding.
        final: the final state in the order of the layer, (B, size) per component.
        states: for each direction, by name, the state after each of the T time steps. At padding it is the state before it.
        gates: the same for the gates, {gate: (B, H)}.
    """

    y: Tensor
    final: list[Tensor]
    states: dict[str, list[Any]]
    gates: dict[str, list[dict[str, Tensor]]]


def loop(
    d: Direction, x: Tensor, valid: Tensor | None, state: Any, *, edit: Edit | None = None
) -> Iterator[tuple[int, Any, dict[str, Tensor]]]:
    """Run one direction over x (T, B, I), of which `valid` (T, B, 1) is not padding, in a plain loop.

    Yields each time step t, in the order in which it is read, with the state after it and its gates.
    """
    T, B = x.shape[:2]
    cell, seen = watched(d.cell)
    size = (
        T if x.is_cuda else max(1, BLOCK_ROWS // max(B, 1))
    )  # on a CPU a projection stays in the cache until it is read
    blocks = range(0, T, size)
    for begin in reversed(blocks) if d.reverse else blocks:
        projected = d.cell.project(x[begin : begin + size], d.params)
        for n in reversed(range(len(projected))) if d.reverse else range(len(projected)):
            seen.clear()
            new = d.step(projected[n], state, cell)
            gates = seen or d.cell.gates_of(projected[n], state, d.params)  # a step need not call gates_of
            if edit is not None:
                new = d.cell.state_type(*edit(d, begin + n, new))
            if valid is not None:
                keep = valid[begin + n]
                new = d.cell.state_type(*(torch.where(keep, one, old) for one, old in zip(new, state, strict=True)))
            state = new
            yield begin + n, state, dict(gates)


def watched(cell: Cell) -> tuple[Cell, dict[str, Tensor]]:
    """Return the cell, and the dict into which its step puts the gates that it computes."""
    base: Any = type(cell)
    seen: dict[str, Tensor] = {}

    class Watched(base):  # type: ignore[misc]
        name = cell.name

        def gates_of(self, projected: Tensor, state: Any, params: Any) -> dict[str, Tensor]:
            gates: dict[str, Tensor] = super().gates_of(projected, state, params)
            seen.update(gates)
            return gates

    copy: Cell = Watched(**vars(cell))
    return copy, seen


def unroll(
    layer: RecurrentBase,
    x: Tensor,
    lengths: Tensor | None = None,
    state: Sequence[Tensor] = (),
    *,
    edit: Edit | None = None,
) -> Unrolled:
    """Run a layer in a plain loop, in evaluation mode and with a graph for autograd.

    Args:
        layer: the layer.
        x: (B, T, I).
        lengths: (B,) int64, or None.
        state: initial state in the order of the layer; empty: that of the layer.
        edit: replaces the state after each step.
    """
    B, T = x.shape[:2]
    found, initial = directions_of(layer), starting_state(layer, B, state)
    valid = None if lengths is None else torch.arange(T, device=x.device)[:, None, None] < lengths[:, None]  # (T, B, 1)
    states: dict[str, list[Any]] = {}
    gates: dict[str, list[dict[str, Tensor]]] = {}
    final: list[Tensor] = []

    def run_layer(k: int, below: Tensor) -> Tensor:
        projectable = below.transpose(0, 1) if valid is None else torch.where(valid, below.transpose(0, 1), 0)
        outputs = []
        for d, before in zip(found, initial, strict=True):
            if d.layer != k:
                continue
            kept, seen, now = [before] * T, [dict[str, Tensor]()] * T, before
            for t, now, of_step in loop(d, projectable, valid, before, edit=edit):
                kept[t], seen[t] = now, of_step
            states[d.name], gates[d.name] = kept, seen
            final.extend(now)
            y = torch.stack([one[0] for one in kept]) if T else below.new_zeros(0, B, before[0].shape[1])
            outputs.append((y if valid is None else torch.where(valid, y, 0)).transpose(0, 1))
        return torch.cat(outputs, -1)

    return Unrolled(over_layers(layer, x, lengths, run_layer), final, states, gates)


def stack_step(layer: RecurrentBase) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the step of a stack in one direction: (state (B, N), x (B, I)) -> state (B, N).

    The state of all layers is one vector: the components in the order of the layer, such as h_l0, c_l0, h_l1, c_l1.
    """
    found = directions_of(layer)
    sizes = [size for d in found for size in d.sizes.values()]

    def step(state: Tensor, x: Tensor) -> Tensor:
        before = split_state(found, torch.split(state, sizes, dim=-1))
        after: list[Tensor] = []

        def run_layer(k: int, below: Tensor) -> Tensor:
            projected = found[k].cell.project(below, found[k].params)
            new = found[k].step(projected[:, 0], before[k])
            after.extend(new)
            output: Tensor = new[0][:, None]
            return output

        over_layers(layer, x[:, None], None, run_layer)
        return torch.cat(after, dim=-1)

    return step
