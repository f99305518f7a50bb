"""The gradient check and the second-order gradient check: derivatives by autograd against finite differences."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from .. import cells, ops
from .step import random_state


def check_gradients(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    """Check first and second derivatives by x, the initial state and every trainable parameter, over two time steps."""
    B, T = 2, 2
    declared = cell.parameters(I, H, True)
    state = random_state(cell, B, H, torch.float64)
    names, S = ["x", *cell.states, *params], len(state)
    inputs = [torch.randn(B, T, I, dtype=torch.float64), *state, *params.values()]
    for name, tensor in zip(names, inputs, strict=True):
        tensor.requires_grad_(name not in declared or declared[name].trainable)

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        given, weights = rest[:S], rest[S:]
        if cell.has_initial_state:
            own = cells.initial_state_of(cell, H, dict(zip(params, weights, strict=True)))
            given = tuple(a + b for a, b in zip(given, own, strict=True))
        call = ops.Call(cell, x, None, given, weights, H, True, False)
        return tuple(ops.execute(call, "reference"))

    for check, title, of in (
        (torch.autograd.gradcheck, "gradient check", "gradient"),
        (torch.autograd.gradgradcheck, "second-order gradient check", "second derivative"),
    ):
        try:
            check(run, inputs, fast_mode=False)
        except Exception as error:  # gradcheck's own, or the cell's
            message = str(error).strip()
            place = re.search(r"with respect to input (\d+)", message)
            if place and int(place[1]) < len(names):
                what = f"the {of} by {names[int(place[1])]} is not that of the values"
            elif "expected to be zero" in message or "does not require grad" in message:
                what = f"no {of} comes back, though the values move; something in step cuts it (detach, item, no_grad)"
            else:
                what = f"the {of} failed with {type(error).__name__}: {cells.first_line(error)}"
            raise cells.problem(cell, f"{title}: {what}", "step") from error
