"""Layers with 8-bit weights: their arithmetic against the float layer, single steps and the plain loop."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from recurra import cells, nn
from recurra.cells.int8 import Int8Cell
from recurra.ops.native import loader

pytestmark = pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])
CELLS = [cells.RNN(), cells.RNN("relu"), cells.LSTM(), cells.GRU()]
every_cell = pytest.mark.parametrize("cell", CELLS, ids=str)
EPS = torch.finfo(torch.float32).eps


def build(cell: cells.Cell, inputs: int = 5, size: int = 19, **arguments: object) -> nn.Recurrent:
    torch.manual_seed(0)
    return nn.Recurrent(cell, inputs, size, **arguments).eval()  # type: ignore[arg-type]


def float_of(quantized: nn.Recurrent, layer: nn.Recurrent) -> nn.Recurrent:
    """The float layer in float64 whose weights are those of a quantized one."""
    new = copy.deepcopy(layer).double()
    new.backend = "reference"
    for k, end in quantized._name_suffixes():
        cell = quantized.cells[k]
        assert isinstance(cell, Int8Cell)
        params = {name: getattr(quantized, name + end).double() for name in quantized._own_names[k]}
        for name, tensor in cell.dequantized(params).items():
            getattr(new, name + end).data.copy_(tensor)
    return new


@pytest.fixture(params=loader.load()[0].targets() if loader.load()[0] is not None else [])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module = loader.load()[0]
    monkeypatch.setattr(loader, "load", lambda: (module, request.param))
    return str(request.param)


def gate_bounds(layer: nn.Recurrent, x: Tensor, h: Tensor) -> Tensor:
    """(B, G*H): how far the rounding of x and h to 16 bits, and that of float32, moves the sums before the gates."""
    total = torch.zeros(())
    for vector, weight in ((x, layer.weight_ih_l0), (h, layer.weight_hh_l0)):
        K = weight.shape[1]
        half = vector.abs().amax(1, keepdim=True) / min(2**31 // (127 * K) - 1, 32639) / 2
        size = (vector.abs() @ weight.abs().mT).detach()
        total = (
            total + half * weight.abs().sum(1).detach() + 8 * EPS * size
        )  # four roundings, each of the scales and sums
    return total + 2 * EPS * 4  # biases are below 1, and the sum of both parts is rounded


def state_bounds(layer: nn.Recurrent, gates: list[Tensor], before: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the equations make of the errors of the gates: the slope of sigmoid is at most 1/4, those of tanh and relu 1."""
    name, slack = layer.cell.name, 8 * EPS
    if name == "lstm":
        i, f, g, o = gates
        c = f / 4 * before["c_l0"].abs() + i / 4 + g + slack
        return {"c_l0": c, "h_l0": o / 4 + c + slack}
    if name == "gru":
        h = before["h_l0"]
        un = (h @ layer.weight_hh_l0.detach().chunk(3)[2].mT + layer.bias_hh_l0.detach().chunk(3)[2]).abs()
        return {"h_l0": gates[1] / 4 * (1 + h.abs()) + gates[2] + gates[0] / 4 * un + slack}
    return {"h_l0": gates[0] + slack}


@every_cell
def test_a_step_is_that_of_the_rounded_weights(target: str, cell: cells.Cell) -> None:
    layer = build(cell, 33, 70)
    quantized = nn.quantize(layer)
    exact = float_of(quantized, layer)
    x, state, largest = torch.randn(3, 12, 33), None, 0.0
    for t in range(12):
        before = (quantized.initial_state(3) if state is None else state).to(torch.float64)
        with torch.no_grad():
            _, state = quantized(x[:, t : t + 1], state)
            _, expected = exact(x[:, t : t + 1].double(), before)
        assert quantized.plan(x[:, :1]).runs == "native"
        gates = gate_bounds(exact, x[:, t].double(), before["h_l0"])
        bounds = state_bounds(exact, list(gates.chunk(len(cell.gates), dim=1)), before.tensors())
        for part, bound in bounds.items():
            error = (state[part] - expected[part]).abs()
            assert (error <= bound).all(), (part, (error / bound).max())
            largest = max(largest, error.max().item())
    assert largest > 1e-7, "x and h are rounded"


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_sequences_are_their_steps_and_chunks(target: str, cell: cells.Cell, bias: bool) -> None:
    """To the bit: whole sequences of different lengths, chunks of them, and single steps of a Stepper."""
    quantized = nn.quantize(build(cell, 70, 19, num_layers=2, bias=bias))
    x, lengths = torch.randn(11, 23, 70), torch.tensor([23, 0, 1, 7, 22, 23, 3, 4, 5, 12, 9])
    with torch.no_grad():
        y, final = quantized(x, lengths=lengths)
        steppers = nn.Stepper(quantized, 11)
        for t in range(23):
            before = steppers.state
            steppers.x[:] = x[:, t]
            steppers()
            ended = (lengths <= t).nonzero()[:, 0]
            assert torch.equal(torch.where((lengths > t)[:, None], steppers.y, 0), y[:, t])
            steppers.state = steppers.state.reset(ended, before)
        assert all(torch.equal(final[name], part) for name, part in steppers.state.tensors().items())
        head, state = quantized(x[:, :9], lengths=lengths.clamp(max=9))
        tail, state = quantized(x[:, 9:], state, lengths=(lengths - 9).clamp(min=0))
    assert torch.equal(torch.cat([head, tail], 1), y)
    assert all(torch.equal(final[name], part) for name, part in state.tensors().items())


@every_cell
def test_both_directions_and_the_plain_loop(target: str, cell: cells.Cell) -> None:
    """The plain loop in float64 defines the result. In float32 a feature may be rounded to the other side."""
    quantized = nn.quantize(build(cell, 9, 20, num_layers=2, bidirectional=True, merge="sum", learned_state=True))
    for name in quantized._learned_names:
        getattr(quantized, name).data.uniform_(-0.5, 0.5)
    x, lengths = torch.randn(6, 8, 9), [8, 1, 0, 5, 8, 3]
    loop = copy.deepcopy(quantized)
    loop.backend = "reference"
    with torch.no_grad():
        y, state = quantized(x, lengths=lengths, reset=[(0, 3), (4, 7)])
        rounded, _ = loop(x, lengths=lengths, reset=[(0, 3), (4, 7)])
        expected, final = loop.double()(x.double(), lengths=lengths, reset=[(0, 3), (4, 7)])
    flip = (
        x.abs().max().item() / 32639 * 127 * max(quantized.scale_ih_l0.max().item(), quantized.scale_hh_l0.max().item())
    )
    allowed = 2 * (rounded - expected).abs().max() + flip  # where a feature lies between two integers
    assert (y - expected).abs().max() <= allowed
    for name in ("h_l1", "h_l1_reverse"):
        assert (state[name] - final[name]).abs().max() <= allowed
    for row in (0, 3, 4):
        end = lengths[row]
        with torch.no_grad():
            alone, _ = quantized(x[row : row + 1, :end], reset=[(0, 3)] if row == 0 else [(0, 7)] if row == 4 else None)
        assert torch.equal(alone[0], y[row, :end]), "a sequence alone gives the same, to the bit"
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with torch.no_grad():
            assert torch.equal(quantized(x, lengths=lengths)[0], _with_one_thread(quantized, x, lengths))
    finally:
        torch.set_num_threads(before)


def _with_one_thread(layer: torch.nn.Module, x: Tensor, lengths: list[int]) -> Tensor:
    torch.set_num_threads(1)
    y: Tensor = layer(x, lengths=lengths)[0]
    return y


def test_extreme_weights_and_inputs(target: str) -> None:
    layer = build(cells.LSTM(), 5, 9)
    with torch.no_grad():
        layer.weight_ih_l0[0] = 0
        layer.weight_ih_l0[1] = 1e-42
        layer.weight_ih_l0[2, 1] = torch.inf
        layer.weight_hh_l0[3, 1] = torch.nan
    quantized, x = nn.quantize(layer), torch.randn(4, 3, 5)
    x[2, 1, 3] = torch.nan
    with torch.no_grad():
        y, _ = quantized(x)
    assert y[:, 0, 2].isnan().all(), "an infinite weight is not hidden"
    clean = nn.quantize(build(cells.LSTM(), 5, 9))
    with torch.no_grad():
        y, _ = clean(x)
    assert y[2, 1:].isnan().all(), "nor an input that is not a number"
    assert y[[0, 1, 3]].isfinite().all()
    assert y[2, 0].isfinite().all()
