"""Options under the laws that hold for every layer, in derivatives of both orders, in graphs, and on the drop-ins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import every_cell, random_call, worst
from layer_helpers import FEW, made, some
from torch import Tensor

from recurra import cells, nn, ops

ALL: list[dict[str, Any]] = [
    {"recurrent_dropout": 0.4},
    {"zoneout": 0.3},
    {"weight_drop": 0.4},
    {"forget_bias": 1.0},
    {"learned_state": True},
    {"merge": "mul", "bidirectional": True},
    {"residual": True, "num_layers": 2},
    {"layer_norm": True, "num_layers": 2},
    {"recurrent_dropout": 0.4, "zoneout": 0.2, "weight_drop": 0.4, "forget_bias": 1.0, "learned_state": True,
     "merge": "mean", "bidirectional": True, "residual": True, "layer_norm": True, "num_layers": 2},
]  # fmt: skip
every_option = pytest.mark.parametrize("options", ALL, ids=lambda options: "+".join(options))


def with_options(options: dict[str, Any], cell: Any = "lstm", **more: Any) -> nn.Recurrent:
    layer = made(cell, **(options | more))
    for name in layer._learned_names:
        getattr(layer, name).data.copy_(some(*getattr(layer, name).shape) / 3)
    return layer


@every_option
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_laws_in_evaluation(cell: str, options: dict[str, Any]) -> None:
    """Padded = alone, and, in one direction, chunks = whole."""
    options = {name: value for name, value in options.items() if name != "forget_bias" or cell == "lstm"}
    layer = with_options(options, cell).eval()
    x, lengths = some(4, 7, 3), torch.tensor([7, 0, 4, 1])
    y, last = layer(x, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        one, end = layer(x[row : row + 1, :length])
        assert worst(y[row : row + 1, :length], one) <= FEW
        assert y[row, length:].eq(0).all()
        assert all(worst(last[name][row : row + 1], part) <= FEW for name, part in end.tensors().items())
    if not layer.bidirectional:
        state, pieces = None, []
        for start, stop in ((0, 1), (1, 4), (4, 7)):
            piece, state = layer(x[:, start:stop], state, lengths=(lengths - start).clamp(0, stop - start))
            pieces.append(piece)
        assert state is not None
        assert worst(torch.cat(pieces, 1), y) <= FEW
        assert all(worst(state[name], part) <= FEW for name, part in last.tensors().items())


def masked_call(cell: cells.Cell, size: tuple[int, int, int, int], dropped: bool = True, **options: Any) -> ops.Call:
    """A call with fixed masks of every kind: h where the gates read it, old numbers that stay, an expected state."""
    call = random_call(cell, size, **options)
    (B, T, _, H), masks = size, []
    for d in range(call.directions):
        masks.append((some(B, H, seed=d) > 0) * 2.0 if dropped else torch.empty(0))
        masks += [(some(T, B, H, seed=7 * d + p) > 0.5).double() for p in range(len(cell.states))]
        masks[-1] = torch.full((1, 1, 1), 0.3, dtype=torch.float64) if d else masks[-1]
    return call._replace(masks=masks)


REFERENCE = ops.BACKENDS[-1]


@every_cell
def test_laws_with_fixed_masks(cell: cells.Cell) -> None:
    call = masked_call(cell, (5, 9, 3, 4), bool(cell.gates))
    assert call.lengths is not None
    parts = 1 + len(cell.states)
    y, *last = REFERENCE.run(call)
    for row, length in enumerate(call.lengths.tolist()):
        here = slice(row, row + 1)
        masks = [
            m[here] if m.dim() == 2 else m[:length, here] if m.dim() == 3 and m.shape[0] > 1 else m for m in call.masks
        ]
        one = call._replace(
            x=call.x[here, :length], lengths=None, state=[part[here] for part in call.state], masks=masks
        )
        y1, *last1 = REFERENCE.run(one)
        assert worst(y[here, :length], y1) <= FEW, "padded = alone"
        assert all(worst(a[here], b) <= FEW for a, b in zip(last, last1, strict=True))
    ahead = call.one_direction(0)
    y, *last = REFERENCE.run(ahead)
    state, ys = list(ahead.state), []
    for start, stop in ((0, 2), (2, 3), (3, 9)):
        masks = [m if n % parts == 0 else m[start:stop] for n, m in enumerate(ahead.masks)]
        lengths = (call.lengths - start).clamp(0, stop - start)
        piece, *state = REFERENCE.run(
            ahead._replace(x=call.x[:, start:stop], lengths=lengths, state=state, masks=masks)
        )
        ys.append(piece)
    assert worst(torch.cat(ys, 1), y) <= FEW, "chunks = whole"
    assert all(worst(a, b) <= FEW for a, b in zip(state, last, strict=True))


@every_cell
def test_each_direction_has_its_own_masks(cell: cells.Cell) -> None:
    """Both at once are one forwards and one on everything turned round in time."""
    call = masked_call(cell, (3, 5, 2, 4), bool(cell.gates), lengths="none")
    y, *last = REFERENCE.run(call)
    for d in (0, 1):
        state, weights, masks = (
            [*both[len(both) // 2 * d :][: len(both) // 2]] for both in (call.state, call.weights, call.masks)
        )
        if d:
            masks = [m.flip(0) if m.dim() == 3 else m for m in masks]
        x = call.x.flip(1) if d else call.x
        one, *end = REFERENCE.run(call._replace(x=x, state=state, weights=weights, masks=masks, bidirectional=False))
        assert worst(y[..., 4 * d : 4 * d + 4], one.flip(1) if d else one) <= FEW
        assert all(worst(a, b) <= FEW for a, b in zip(last[len(end) * d :], end, strict=bool(d)))


@every_cell
def test_derivatives_with_fixed_masks(cell: cells.Cell) -> None:
    call = masked_call(cell, (3, 3, 2, 2), bool(cell.gates))
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    S = len(call.state)

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        return tuple(REFERENCE.run(call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))))

    assert torch.autograd.gradcheck(run, inputs)
    if cell != cells.RNN("relu"):
        assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_operators_take_masks(name: str) -> None:
    call = masked_call(cells.get(name), (3, 4, 2, 3))
    call = call._replace(x=call.x.requires_grad_(), weights=[w.requires_grad_() for w in call.weights])
    operator = ops.operator_of(call.cell)
    assert operator is not None
    args = (*call.arguments, ops.options_of(call.cell), "auto")
    torch.library.opcheck(operator, args)
    outputs = operator(*args)
    assert all(torch.equal(a, b) for a, b in zip(outputs, REFERENCE.run(call), strict=True))
    grads = [torch.ones_like(output) for output in outputs]
    inputs = [call.x, *(part.requires_grad_() for part in call.state), *call.weights]
    eager = torch.autograd.grad(operator(*args), inputs, grads)
    traced = getattr(torch.ops.recurra, f"{name}_backward")(grads, *args)
    assert all(torch.equal(a, b) for a, b in zip(eager, traced, strict=True))


@every_option
def test_derivatives_of_a_layer_while_training(options: dict[str, Any]) -> None:
    """The seed fixes what is dropped; gradients of the input, the first state as learned and every parameter."""
    layer = with_options(options, H=2).train()
    names, layer.backend = [name for name, _ in layer.named_parameters()], "reference"

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(2)
        y, last = torch.func.functional_call(
            layer, dict(zip(names, parameters, strict=True)), (x,), {"lengths": [3, 2]}
        )
        return (y, *last.tensors().values())

    inputs = [some(2, 3, 3).requires_grad_(), *(p.detach().clone().requires_grad_() for p in layer.parameters())]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@every_option
def test_graphs_with_options(options: dict[str, Any]) -> None:
    layer = with_options(options).eval()
    x, lengths = some(3, 5, 3), torch.tensor([5, 2, 0])
    y, _ = layer(x, lengths=lengths)
    with torch.no_grad():
        program = torch.export.export(layer, (x,), {"lengths": lengths})
    assert worst(program.module()(x, lengths=lengths)[0], y) == 0
    layer.train()
    torch._dynamo.reset()  # each option is a layer of its own: none is the other compiled anew
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    found = []
    for run in (layer, compiled):
        torch.manual_seed(3)
        y, _ = run(x, lengths=lengths)
        found.append([y, *torch.autograd.grad(y.cos().sum(), list(layer.parameters()), allow_unused=True)])
    for a, b in zip(*found, strict=True):
        assert (a is None and b is None) or worst(a, b) <= FEW


DROPIN = [options for options in ALL if "layer_norm" not in options]


@pytest.mark.parametrize("options", DROPIN, ids=lambda options: "+".join(options))
def test_options_mean_the_same_on_a_drop_in(options: dict[str, Any]) -> None:
    layer = with_options(options)
    dropin = nn.LSTM(3, 4, batch_first=True, dtype=torch.float64, **options)
    dropin.load_state_dict(layer.state_dict())
    assert "=" in repr(dropin)
    x = some(3, 5, 3)
    outputs = []
    for one in (layer, dropin):
        torch.manual_seed(4)
        outputs.append(one(x, lengths=[5, 0, 2]))
    (y, last), (z, (h, c)) = outputs
    assert torch.equal(y, z)
    stacked = [torch.stack([part for name, part in last.tensors().items() if name.startswith(p)]) for p in "hc"]
    assert torch.equal(stacked[0], h)
    assert torch.equal(stacked[1], c)
