"""The one list that drives the tests of cells, operators and layers: a registered cell is covered at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra import cells, ops
from recurra.plugins import load_cell


@dataclass(frozen=True)
class Leaky(cells.Cell):
    """A cell of a user's own, not registered: h' = (1 - leak) * h + leak * tanh(W x + U h + b)."""

    leak: float = 0.3

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, cells.Parameter]:
        init = cells.uniform(hidden_size)
        shapes = {"W": (hidden_size, input_size), "U": (hidden_size, hidden_size)} | (
            {"b": (hidden_size,)} if bias else {}
        )
        return {name: cells.Parameter(shape, init) for name, shape in shapes.items()}

    def project(self, x: Tensor, params: cells.Params) -> Tensor:
        return torch.nn.functional.linear(x, params["W"], params.get("b"))

    def step(self, projected: Tensor, state: cells.Hidden, params: cells.Params) -> cells.Hidden:
        return cells.Hidden((1 - self.leak) * state.h + self.leak * torch.tanh(projected + state.h @ params["U"].mT))


# One file each, as a user writes them: recurrent weights by element, identity at first, fixed parameters.
USERS = [
    cells.get(load_cell(str(Path(__file__).parent / "cells" / spec)))
    for spec in ("indrnn.py:IndRNN", "irnn.py:IRNN", "echo_state.py:EchoState")
]
OTHERS = [cells.RNN("relu"), Leaky(), *USERS]
CELLS = [*(cells.get(name) for name in cells.names()), *OTHERS]
OPERATORS = [cell for cell in CELLS if ops.operator_of(cell) is not None]

every_cell = pytest.mark.parametrize("cell", CELLS, ids=str)
every_operator = pytest.mark.parametrize("cell", OPERATORS, ids=str)


def random_call(
    cell: cells.Cell,
    size: tuple[int, int, int, int],
    *,
    lengths: str = "ragged",
    state: bool = True,
    bidirectional: bool = True,
    bias: bool = True,
    seed: int = 0,
) -> ops.Call:
    """A call in float64 with weights at initialization scale and, with `state`, a first state that is not zero."""
    torch.manual_seed(seed)
    B, T, I, H = size
    directions = 2 if bidirectional else 1
    options: dict[str, Any] = {"dtype": torch.float64}
    weights = []
    for _ in range(directions):
        declared = cell.parameters(I, H, bias)
        params = {name: torch.empty(parameter.shape, **options) for name, parameter in declared.items()}
        cell.initialize(params, I, H, bias)
        weights += params.values()
    first = (
        [torch.rand(B, size, **options) - 0.5 for size in cell.state_sizes(H).values()] * directions if state else []
    )
    first = [part * (k + 1) / len(first) for k, part in enumerate(first)]
    live = {
        "none": None,
        "full": torch.full((B,), T),
        "ragged": torch.tensor([(T, 0, T // 2, 1)[row % 4] for row in range(B)]),
    }[lengths]
    return ops.Call(cell, torch.randn(B, T, I, **options), live, first, weights, H, bias, bidirectional)


def can_run(call: ops.Call) -> list[ops.Backend]:
    return [backend for backend in ops.BACKENDS if backend.unsupported_reason(call) is None]


def values_and_grads(backend: ops.Backend, call: ops.Call, dtype: torch.dtype) -> dict[str, Tensor]:
    """y, the last state, and the gradient of every input, by name, in float64 for comparing."""

    def leaf(tensor: Tensor) -> Tensor:
        return tensor.to(dtype).requires_grad_()

    call = call._replace(x=leaf(call.x), state=[leaf(s) for s in call.state], weights=[leaf(w) for w in call.weights])
    call = call._replace(masks=[mask.to(dtype) for mask in call.masks])
    outputs = backend.run(call)
    torch.manual_seed(1)
    loss = sum((output * torch.randn(output.shape, dtype=torch.float64).to(dtype)).sum() for output in outputs)
    inputs = [call.x, *call.state, *call.weights]
    assert isinstance(loss, Tensor)
    grads = torch.autograd.grad(loss, inputs)
    named = {f"output {k}": output for k, output in enumerate(outputs)} | {f"grad {k}": g for k, g in enumerate(grads)}
    return {name: tensor.detach().double() for name, tensor in named.items()}


def worst(ours: Tensor, exact: Tensor) -> float:
    """The largest difference; NaN counts as the worst."""
    assert ours.shape == exact.shape
    return (ours - exact).abs().nan_to_num(nan=float("inf")).max().item() if exact.numel() else 0.0


def errors_of_the_loop(call: ops.Call, exact: dict[str, Tensor], dtype: torch.dtype) -> dict[str, float]:
    """How far the plain loop in `dtype` is off; in float64 what it is off in float32, scaled by the roundings."""
    loop = values_and_grads(ops.BACKENDS[-1], call, torch.float32)
    scale = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
    return {name: worst(loop[name], e) * scale for name, e in exact.items()}


def assert_as_exact(
    ours: dict[str, Tensor], exact: dict[str, Tensor], loop: dict[str, float], dtype: Any, terms: int = 0
) -> None:
    """Ours may be off by twice what the plain loop in the same dtype is off, and a few roundings.

    A gradient that is a sum of n `terms` of about its size may be off by n / 2 roundings more: added one after the other in
    whatever order, the sum so far is about the root of k after k of them, and the roundings of all add up to n / 3 or so.
    The loop may have been lucky, above all where a gradient is one number. A term that is wrong is off by far more.
    """
    for name, e in exact.items():
        roundings = 4 + (terms / 2 if name.startswith("grad") else 0)
        floor = roundings * torch.finfo(dtype).eps * max(1.0, e.abs().max().item() if e.numel() else 0.0)
        assert worst(ours[name], e) <= 2 * loop[name] + floor, name
