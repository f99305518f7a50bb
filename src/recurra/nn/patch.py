"""Interventions: inside a block, a layer of a network runs in a plain loop in which values of its state are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..errors import CallError, near
from .base import RecurrentBase
from .recurrent import Recurrent
from .state import State
from .unroll import Direction, Edit, Unrolled, directions_of, unroll


@contextmanager
def unrolled(layer: RecurrentBase, edit: Edit | None = None) -> Iterator[list[tuple[Unrolled, Tensor | None]]]:
    """Inside the block, calls of a `Recurrent` run in a plain loop in evaluation mode.

    Each call appends what it computed, and its lengths, to the list.
    """
    if not isinstance(layer, Recurrent):
        raise CallError(f"the layer is a {type(layer).__name__}; expected a Recurrent")
    seen: list[tuple[Unrolled, Tensor | None]] = []

    def forward(x: Tensor, state: State | None = None, lengths: Any = None, reset: Any = None) -> tuple[Tensor, State]:
        if reset is not None:
            raise CallError("the layer is called with reset, which an unrolled layer does not support")
        ends = None if lengths is None else torch.as_tensor(lengths).to(x.device)
        result = unroll(layer, x, ends, () if state is None else list(state.tensors().values()), edit=edit)
        seen.append((result, ends))
        return result.y, State(dict(zip(layer._state_names, result.final, strict=True)))

    before = vars(layer).get("forward")
    layer.forward = forward  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        if before is None:
            del layer.forward  # the method of the class again
        else:
            layer.forward = before  # type: ignore[method-assign]  # an outer block


def recurrent_of(network: torch.nn.Module, module: str | None = None) -> tuple[str, RecurrentBase]:
    """Return the name and the recurrent layer `module` of a network; None: its first one.

    Raises CallError if there is none.
    """
    found = {name: part for name, part in network.named_modules() if isinstance(part, RecurrentBase)}
    if not found:
        raise CallError(f"the network {type(network).__name__} has no recurrent layer of recurra.nn")
    if module is None:
        return next(iter(found.items()))
    if module not in found:
        raise CallError(f"unknown module {module!r}; {near(module, found)}")
    return module, found[module]


@contextmanager
def patched(
    network: torch.nn.Module,
    layer: int = 0,
    unit: int | Sequence[int] | None = None,
    value: Any = None,
    *,
    shift: Any = None,
    steps: int | Sequence[int] | None = None,
    direction: str = "forward",
    component: str | None = None,
    module: str | None = None,
) -> Iterator[None]:
    """Inside the block, values of the state of a recurrent layer are replaced after each step; see `Run.patch`."""
    name, whole = recurrent_of(network, module)
    edit = edit_of(whole, layer, unit, value, shift=shift, steps=steps, direction=direction, component=component)
    if "forward" in vars(whole):
        raise CallError(
            f"{name or 'the layer'} is already patched; exit the first `with` block, or pass all units to one call"
        )
    with unrolled(whole, edit):
        yield


def edit_of(
    whole: RecurrentBase,
    layer: int,
    unit: int | Sequence[int] | None,
    value: Any,
    *,
    shift: Any = None,
    steps: int | Sequence[int] | None = None,
    direction: str = "forward",
    component: str | None = None,
) -> Edit:
    """Return the edit that sets units to `value`, or adds `shift`. Raises CallError for a layer or unit that does not exist."""
    if (value is None) == (shift is None):
        raise CallError("expected one of value, which replaces the state, and shift, which is added to it")
    check_index("layer", layer, whole.num_layers)
    wanted = f"l{layer}.{direction}"
    here = {d.name: d for d in directions_of(whole)}
    if wanted not in here:
        known = [name.partition(".")[2] for name in here if name.startswith(f"l{layer}.")]
        raise CallError(f"unknown direction {direction!r}; {near(direction, known)}")
    d = here[wanted]
    component = d.cell.states[0] if component is None else component
    if component not in d.sizes:
        raise CallError(f"unknown component {component!r}; {near(component, d.sizes)}")
    size, like = d.sizes[component], whole._first_weight()
    units = range(size) if unit is None else [unit] if isinstance(unit, int) else list(unit)
    index = torch.tensor([check_index("unit", one, size) for one in units], device=like.device)
    amount = torch.as_tensor(value if shift is None else shift).to(like.device, like.dtype)
    if amount.dim() and amount.shape != (len(units),):
        raise CallError(
            f"{'value' if shift is None else 'shift'} has shape {tuple(amount.shape)}; expected one number, or one for each "
            f"of the {len(units)} units"
        )
    mask, full = like.new_zeros(size, dtype=torch.bool), like.new_zeros(size)
    mask[index], full[index] = True, amount.expand(len(units))
    at = None if steps is None else {steps} if isinstance(steps, int) else set(steps)

    def edit(now: Direction, t: int, state: Any) -> Any:
        if now.name != wanted or (at is not None and t not in at):
            return state
        old = getattr(state, component)
        return state._replace(**{component: torch.where(mask, full.to(old) + (0 if shift is None else old), old)})

    return edit


def check_index(name: str, index: Any, count: int) -> int:
    """Return `index`. Raises CallError unless it is an integer from 0 to count - 1."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
        raise CallError(f"unknown {name} {index!r}; expected an integer from 0 to {count - 1}")
    return index
