"""torch.compile, torch.export and make_fx: a graph that gives what eager mode gives, in values, gradients and metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from cells_registry import CELLS, OPERATORS
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.two_tensor import TwoTensor
from transform_cases import assert_close, components, drop_in, every_drop_in, every_length, randn, recurrent

from recurra import cells, nn, ops

# inductor and the formulas of forward mode use torch.jit inside torch, which is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
every_cell = pytest.mark.parametrize("cell", CELLS, ids=str)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Layer(torch.nn.Module):
    """A layer with positional lengths and without a State, which torch.export cannot return."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, ...]:
        y, state = self.layer(x, lengths=lengths)
        return y, *components(state)


def grads_of(layer: torch.nn.Module, outputs: tuple[Tensor, ...]) -> list[Tensor]:
    loss = sum((k + output).cos().sum() for k, output in enumerate(outputs))
    assert isinstance(loss, Tensor)
    weights = [weight for weight in layer.parameters() if weight.requires_grad]
    return list(torch.autograd.grad(loss, weights)) if weights else []


@every_cell
def test_compiled_in_one_graph(cell: cells.Cell) -> None:
    layer, x, lengths = Layer(recurrent(cell)), randn(3, 2, 3), torch.tensor([2, 1, 0])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found, exact = compiled(x, lengths), layer(x, lengths)
    assert_close([*found, *grads_of(layer, found)], [*exact, *grads_of(layer, exact)])


@every_cell
@pytest.mark.parametrize("strict", [False, True])
def test_exported(cell: cells.Cell, strict: bool) -> None:
    layer, args = Layer(recurrent(cell)), (randn(3, 2, 3), torch.tensor([2, 1, 0]))
    program = torch.export.export(layer, args, strict=strict).module()
    assert_close(program(*args), layer(*args))


@pytest.mark.parametrize("cell", OPERATORS, ids=str)
@pytest.mark.parametrize("lengths", ["none", "full", "ragged"])
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_declared_metadata(cell: cells.Cell, lengths: str, backend: str) -> None:
    """Compiled code relies on the shapes, strides and dtypes that the operator declares."""
    layer, x = Layer(recurrent(cell, backend=backend, bidirectional=True)), randn(3, 9, 3)
    valid = {"none": None, "full": torch.tensor([9, 9, 9]), "ragged": torch.tensor([9, 2, 0])}[lengths]
    with torch.no_grad():
        graph = make_fx(lambda x: layer(x, valid), tracing_mode="fake", _allow_non_fake_inputs=True)(x)
    operator = ops.operator_of(cell)
    declared = [node.meta["val"] for node in graph.graph.nodes if node.target is operator]
    call = layer.layer._call(0, x, valid, ())
    assert operator is not None
    real = operator(*call.arguments, ops.options_of(cell), backend)
    assert len(declared) == 1
    for a, b in zip(declared[0], real, strict=True):
        assert (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)


@every_drop_in
def test_inductor_with_all_lengths_equal(kind: str) -> None:
    layer, x = Layer(drop_in(kind, batch_first=True)[0]), randn(3, 9, 3)
    compiled = torch.compile(lambda x, lengths: layer(x, lengths)[0] * 2, fullgraph=True)
    for lengths in (torch.tensor([9, 9, 9]), torch.tensor([9, 2, 3])):
        assert_close([compiled(x, lengths)], [layer(x, lengths)[0] * 2])


@pytest.mark.parametrize("cell", OPERATORS, ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast(cell: cells.Cell, dtype: torch.dtype) -> None:
    """The dtypes of a compiled layer under autocast are those of eager mode."""
    layer, x = Layer(recurrent(cell).float()), randn(3, 3, 3).float()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    exact = Layer(recurrent(cell))(x.double())
    with torch.no_grad(), torch.autocast("cpu", dtype):
        eager, found = layer(x), compiled(x)
    assert [t.dtype for t in found] == [t.dtype for t in eager]
    for a, b, c in zip(found, eager, exact, strict=True):  # a few roundings of numbers below 1, at each of 3 steps
        assert (a.double() - c).abs().max() <= 16 * torch.finfo(dtype).eps
        assert (b.double() - c).abs().max() <= 16 * torch.finfo(dtype).eps


@every_drop_in
@every_length
@pytest.mark.parametrize("mode", ["real", "symbolic"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_make_fx_of_a_gradient(kind: str, T: int, mode: str, create_graph: bool) -> None:
    layer, x = drop_in(kind)[0], randn(T, 2, 3).requires_grad_()

    def gradient(x: Tensor) -> Tensor:
        return torch.autograd.grad(layer(x)[0].cos().sum(), x, create_graph=create_graph)[0]

    graph = make_fx(gradient, tracing_mode=mode, _allow_non_fake_inputs=True)(x)
    other = randn(T, 2, 3, seed=7).requires_grad_()
    assert_close([graph(other)], [gradient(other)])


@every_drop_in
@every_length
def test_transforms_in_a_graph(kind: str, T: int) -> None:
    layer, x = drop_in(kind)[0], randn(T, 2, 3)
    gradient = torch.func.grad(lambda x: layer(x)[0].cos().sum())
    batched = torch.func.vmap(lambda x: layer(x)[0])
    assert_close([make_fx(gradient)(x)(2 * x)], [gradient(2 * x)])
    assert_close([torch.compile(gradient, backend="aot_eager", fullgraph=True)(x)], [gradient(x)])
    pair = torch.stack([x, -x])
    assert_close([torch.compile(batched, backend="aot_eager", fullgraph=True)(pair)], [batched(pair)])


@every_drop_in
def test_wrapper_subclass_in_a_graph(kind: str) -> None:
    layer, x = drop_in(kind)[0], randn(9, 2, 3)
    found = torch.compile(layer, backend="aot_eager", fullgraph=True)(TwoTensor(x, x.clone()))[0]
    assert_close([found.a, found.b], [layer(x)[0]] * 2)


def test_meta_and_fake_tensors() -> None:
    for kind in ("RNN", "GRU", "LSTM"):
        layer = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True)
        y, state = layer(torch.randn(5, 2, 3))
        with torch.device("meta"):
            empty = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True)
            meta_y, meta_state = empty(torch.randn(5, 2, 3))
        for a, b in zip([meta_y, *components(meta_state)], [y, *components(state)], strict=True):
            assert a.requires_grad and a.is_meta and (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)
        meta_y.sum().backward()
        weights = list(empty.parameters())
        assert all(w.grad is not None and w.grad.shape == w.shape for w in weights)
        torch.autograd.grad(empty(torch.randn(5, 2, 3, device="meta"))[0].sum(), weights, create_graph=True)
