"""States and inputs of a layer as vectors: how the functions about dynamics read their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CallError
from ..nn import State
from ..nn.base import RecurrentBase


def components_of(layer: RecurrentBase) -> dict[str, int]:
    """Return the components of the state vector and their numbers of features, in order: h_l0, c_l0, h_l1, ..."""
    return {name: size for name, (_, size) in layer._state_shapes(1).items()}


def state_vector(layer: RecurrentBase, state: Any) -> Tensor:
    """Return a state as a vector (N,) in the dtype of the layer.

    `state` is a vector (N,), a State of one sequence, a dict of its components, or None for the initial state.
    """
    sizes, weight = components_of(layer), layer._first_weight()
    N = sum(sizes.values())
    if state is None:
        initial = [one.reshape(-1) for one in layer._initial()]
        return torch.cat(initial) if initial else weight.new_zeros(N)
    if isinstance(state, State):
        state = state.tensors()
    if isinstance(state, Mapping):
        if state.keys() != sizes.keys():
            raise CallError(f"state has the components {', '.join(state)}; this layer expects {', '.join(sizes)}")
        state = np.concatenate([np.asarray(plain(state[name])).reshape(-1) for name in sizes])
    vector = torch.as_tensor(plain(state)).to(weight.device, weight.dtype)
    if vector.shape != (N,):
        parts = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise CallError(f"state has shape {tuple(vector.shape)}; expected (N,) with N = {N}: {parts}")
    return vector


def input_steps(layer: RecurrentBase, x: Any) -> tuple[Tensor, bool]:
    """Return inputs (T, I), and whether x is a sequence. `x` is (I,) or (T, I), or None for zeros."""
    weight, I = layer._first_weight(), layer.input_size
    if x is None:
        return weight.new_zeros(1, I), False
    steps = torch.as_tensor(plain(x)).to(weight.device, weight.dtype)
    if steps.dim() not in (1, 2) or steps.shape[-1] != I or not steps.numel():
        raise CallError(f"x has shape {tuple(steps.shape)}; expected (I,) or (T, I) with I = {I}")
    return (steps[None], False) if steps.dim() == 1 else (steps, True)


def check_count(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value`. Raises CallError unless it is an integer from `low` to `high`."""
    ends = f"of at least {low}" if high is None else f"from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        raise CallError(f"{name} is {value!r}; expected an integer {ends}")
    return value


def plain(value: Any) -> Any:
    """Return a tensor without a graph, or an array; a list becomes an array of float64."""
    return value.detach() if isinstance(value, Tensor) else np.asarray(value)
