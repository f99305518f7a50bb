"""Second derivatives and batches of output gradients: no path is counted twice, whichever backend ran forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells_registry import can_run, every_operator, random_call
from torch import Tensor
from transform_cases import (
    DROP_INS,
    assert_close,
    components,
    drop_in,
    every_drop_in,
    every_kernel,
    every_length,
    randn,
    recurrent,
)

from recurra import cells, ops

every_backend = pytest.mark.parametrize("backend", ["auto", "native", "reference"])


def grads_of(layer: Any, loss: Tensor, create_graph: bool) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, list(layer.parameters()), create_graph=create_graph)


def two_chunks(layer: Any, x: Tensor) -> Tensor:
    """The state of the second chunk depends on the weights by way of the first."""
    _, state = layer(x[:10])
    z, final = layer(x[10:], state)
    return z.cos().sum() + sum(part.sin().sum() for part in components(final))


@every_backend
@every_drop_in
def test_two_chunks(kind: str, backend: str) -> None:
    (layer, theirs), x = drop_in(kind, backend=backend), randn(20, 5, 3)
    exact = grads_of(theirs, two_chunks(theirs, x), create_graph=False)
    for create_graph in (False, True):
        assert_close(grads_of(layer, two_chunks(layer, x), create_graph), exact, terms=400)


@every_kernel
@every_length
@pytest.mark.parametrize("bidirectional", [False, True])
def test_input_that_depends_on_the_weights(cell: cells.Cell, T: int, bidirectional: bool) -> None:
    layer, x = recurrent(cell, bidirectional=bidirectional), randn(2, T, 3)
    with torch.no_grad():
        layer.weight_ih_l0.mul_(0.5)

    def grads(layer: Any, create_graph: bool) -> tuple[Tensor, ...]:
        y, state = layer(x @ layer.weight_ih_l0[:3].mT.mm(layer.weight_ih_l0[:3]), lengths=[T, max(T - 2, 0)])
        return grads_of(layer, y.cos().sum() + sum(part.sin().sum() for part in components(state)), create_graph)

    layer.backend = "reference"
    exact = grads(layer, False)
    layer.backend = "native"
    assert_close(grads(layer, False), exact, terms=400)
    assert_close(grads(layer, True), exact, terms=400)


def tie_layers(layer: Any) -> None:
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(layer, f"{name}_l1", getattr(layer, f"{name}_l0"))


def tie_directions(layer: Any) -> None:
    for k in range(2):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(layer, f"{name}_l{k}_reverse", getattr(layer, f"{name}_l{k}"))


def tie_weights(layer: Any) -> None:
    layer.weight_hh_l0 = layer.weight_ih_l0


@every_backend
@every_drop_in
@pytest.mark.parametrize(
    ("tie", "options"),
    [
        (tie_layers, {"num_layers": 2}),
        (tie_directions, {"num_layers": 2, "bidirectional": True}),
        (tie_weights, {}),
    ],
    ids=["layers", "directions", "weight_hh to weight_ih"],
)
def test_tied_weights(kind: str, backend: str, tie: Callable[[Any], None], options: dict[str, Any]) -> None:
    (layer, theirs), x = drop_in(kind, I=4, backend=backend, **options), randn(10, 3, 4)
    for one in (layer, theirs):
        tie(one)
    exact = grads_of(theirs, theirs(x)[0].cos().sum(), create_graph=False)
    for create_graph in (False, True):
        assert_close(grads_of(layer, layer(x)[0].cos().sum(), create_graph), exact, terms=400)


@every_backend
@every_drop_in
@pytest.mark.parametrize("lengths", [False, True])
def test_second_derivatives(kind: str, backend: str, lengths: bool) -> None:
    """Those of a loss of two chunks, against the plain loop in ordinary autograd."""
    x = randn(20, 3, 3)
    found = []
    for name in (backend, "reference"):
        layer, _ = drop_in(kind, backend=name)
        if name == "auto":  # the fused LSTM of torch has no second derivative
            layer.backend = "native"
        y, state = layer(x[:10], lengths=[10, 4, 0] if lengths else None)
        z, _ = layer(x[10:], state)
        first = grads_of(layer, y.sin().sum() + z.cos().sum(), create_graph=True)
        found.append([*first, *grads_of(layer, sum((g.sin().sum() for g in first), torch.zeros(())), False)])
    assert_close(found[0], found[1], terms=4000)


@every_operator
@pytest.mark.parametrize("state", [False, True])
def test_gradgradcheck(cell: cells.Cell, state: bool) -> None:
    if cell == cells.RNN("relu"):
        pytest.skip("the second derivative of relu does not exist where finite differences cross a kink")
    call = random_call(cell, (2, 3, 1, 1), state=state)
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    S = len(call.state)
    for backend in (b for b in can_run(call) if b.name != "torch"):

        def run(x: Tensor, *rest: Tensor, run: Any = backend.run) -> tuple[Tensor, ...]:
            return tuple(run(call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))))

        assert torch.autograd.gradgradcheck(run, inputs)


@every_backend
@every_length
@every_drop_in
def test_jacobian_of_a_batch_of_gradients(kind: str, T: int, backend: str) -> None:
    """`vectorize=True` and `is_grads_batched` compute all rows of the Jacobian at once."""
    (layer, _), x = drop_in(kind, backend=backend), randn(T, 2, 3)

    def call(x: Tensor) -> tuple[Tensor, ...]:
        y, state = layer(x)
        return y, *components(state)

    exact = torch.autograd.functional.jacobian(call, x)
    assert_close(torch.autograd.functional.jacobian(call, x, vectorize=True), exact)
    x = x.requires_grad_()
    y = layer(x)[0]
    rows = torch.eye(y.numel(), dtype=torch.float64).view(-1, *y.shape)
    (found,) = torch.autograd.grad(y, x, rows, is_grads_batched=True)
    assert_close([found.view(*y.shape, *x.shape)], exact[:1])


def test_the_plan_names_the_backend_of_the_forward_pass() -> None:
    """A gradient without kernels is computed by the plain loop, which `watch` reports."""
    for kind in DROP_INS:
        layer, _ = drop_in(kind, backend="native")
        with ops.watch() as ran:
            y = layer(randn(20, 5, 3))[0]
            grads_of(layer, y.sum(), create_graph=True)
        assert ran == ["native", "reference"]
