"""`nn.quantize`: layers with 8-bit weights against the float layer, against single steps, and at the edges."""

from __future__ import annotations

import argparse
import copy
import io
import json
import logging
import pickle
import random
import statistics
import typing

import pytest
import torch
from torch import Tensor
from torch.nn.utils import prune

from recurra import cells, nn
from recurra.cells.int8 import Int8Cell
from recurra.errors import CallError
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


def test_drop_in_layers_keep_their_interface() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(5, 8, num_layers=2, batch_first=True, bidirectional=True, dropout=0.5, weight_drop=0.3)
    quantized = nn.quantize(layer)
    assert type(quantized) is nn.LSTM
    x = torch.randn(3, 9, 5)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [9, 4, 2], batch_first=True)
    with torch.no_grad():
        y, (h, c) = quantized(x, (torch.zeros(4, 3, 8), torch.zeros(4, 3, 8)), lengths=[9, 4, 2])
        z, (h2, _) = quantized(packed)
        expected, _ = layer.eval()(x, lengths=[9, 4, 2])
        assert torch.equal(quantized.train()(x, lengths=[9, 4, 2])[0], y), "no dropout in training mode either"
    assert torch.equal(torch.nn.utils.rnn.pad_packed_sequence(z, batch_first=True)[0], y)
    assert torch.equal(h, h2)
    assert h.shape == c.shape == (4, 3, 8)
    assert 0 < (y - expected).abs().max() < 0.02
    assert repr(quantized) == "LSTM(5, 8, num_layers=2, bidirectional=True, int8=True, batch_first=True)"
    assert str(quantized.plan(x)).startswith("lstm_int8: backend 'native' runs")
    assert layer.weight_hh_l0.dtype == torch.float32, "the layer itself is not changed"


def test_memory_saving_and_loading() -> None:
    layer = build(cells.GRU(), 256, 256, num_layers=2)
    quantized = nn.quantize(layer)

    def size(module: torch.nn.Module) -> int:
        return sum(tensor.nbytes for tensor in module.state_dict().values())

    assert list(quantized.parameters()) == []
    assert size(quantized) < 0.27 * size(layer)
    assert {str(tensor.dtype) for name, tensor in quantized.state_dict().items() if name.startswith("weight")} == {
        "torch.int8"
    }
    with io.BytesIO() as whole:
        torch.save(quantized, whole)
        whole.seek(0)
        saved = torch.load(whole, weights_only=False)
    x, other = torch.randn(2, 5, 256), nn.quantize(build(cells.GRU(), 256, 256, num_layers=2))
    for name in ("weight_ih_l0", "scale_hh_l1"):
        getattr(other, name).zero_()
    file = io.BytesIO()
    torch.save(quantized.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    with torch.no_grad():
        y = quantized(x)[0]
        for same in (other, copy.deepcopy(quantized), saved):
            assert torch.equal(same(x)[0], y)
    with pytest.raises(
        RuntimeError, match=r"weight_ih_l0 is torch\.float32 and expected torch\.int8; load it into the float"
    ):
        quantized.load_state_dict(layer.state_dict(), strict=False)


class Model(torch.nn.Module):
    """A model with a tied layer, a list, and a layer without a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 5)
        self.lower = nn.GRU(5, 6, batch_first=True)
        self.upper = torch.nn.ModuleList([nn.Recurrent("lstm", 6, 6), nn.Recurrent("mgu", 6, 6)])
        self.again = self.lower
        self.output = torch.nn.Linear(6, 7)

    def forward(self, ids: Tensor) -> Tensor:
        y, _ = self.lower(self.embedding(ids))
        for layer in self.upper:
            y, _ = layer(y)
        logits: Tensor = self.output(y)
        return logits


def test_a_module_with_layers() -> None:
    torch.manual_seed(0)
    model, ids = Model(), torch.randint(7, (2, 9))
    with pytest.raises(CallError, match=r"cannot quantize upper\.1: there is no kernel .* for the cell mgu, only"):
        nn.quantize(model)
    quantized = nn.quantize(model, keep=["upper.1"])
    assert isinstance(quantized, Model)
    assert quantized.again is quantized.lower
    assert quantized.lower.weight_hh_l0.dtype == quantized.upper[0].weight_hh_l0.dtype == torch.int8
    assert {weight.dtype for weight in quantized.upper[1].state_dict().values()} == {torch.float32}
    assert quantized.output.weight is not model.output.weight
    with torch.no_grad():
        assert 0 < (quantized(ids) - model(ids)).abs().max() < 0.02
    with pytest.raises(
        CallError, match=r"gru_int8 is for inference and has no gradient; call it under torch\.no_grad\(\)"
    ):
        quantized(ids)
    with pytest.raises(
        CallError, match=r"keep has 'upper', which is no recurrent layer of the module; its layers are 'lower'"
    ):
        nn.quantize(model, keep=["upper"])


def test_what_cannot_be_quantized_is_reported() -> None:
    with pytest.raises(CallError, match=r"Linear contains no recurrent layer of recurra to quantize$"):
        nn.quantize(torch.nn.Linear(3, 4))
    with pytest.raises(CallError, match=r"0 is a layer of torch\.nn, which torch\.ao\.quantization\.quantize_dynamic"):
        nn.quantize(torch.nn.Sequential(torch.nn.LSTM(3, 4)))
    with pytest.raises(
        CallError, match=r"the layer: its weights are torch\.float64; convert it with \.float\(\) first"
    ):
        nn.quantize(nn.GRU(3, 4, dtype=torch.float64))
    with pytest.raises(CallError, match="the layer: its weights already have 8 bits"):
        nn.quantize(nn.quantize(nn.GRU(3, 4)))
    with pytest.raises(CallError, match=r"0: LSTMCell runs single steps in plain torch; use a layer and nn\.Stepper"):
        nn.quantize(torch.nn.Sequential(nn.LSTMCell(3, 4)))
    with pytest.raises(CallError, match="no kernel with 8-bit weights for the cell lstmp"):
        nn.quantize(nn.LSTM(3, 4, proj_size=2))
    pruned = nn.GRU(3, 4)
    prune.l1_unstructured(pruned, "weight_hh_l0", 0.5)
    with pytest.raises(CallError, match=r"weight_hh_l0 is computed before each call .* prune\.remove first"):
        nn.quantize(pruned)


def test_a_parametrized_weight_is_quantized_as_it_is() -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(build(cells.GRU(), 5, 8), "weight_hh_l0")
    quantized = nn.quantize(layer)
    integers, scale = quantized.weight_hh_l0, quantized.scale_hh_l0[:, None]
    assert ((scale * integers - layer.weight_hh_l0).abs() <= scale / 2 * (1 + 4 * EPS)).all()


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


@pytest.mark.parametrize(
    "layer", [nn.LSTM(3, 4), nn.Recurrent("mgu", 3, 4), nn.GRUCell(3, 4)], ids=lambda m: type(m).__name__
)
@pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated", "ignore:.*", "error:torch.ao.quantization leaves"
)
def test_dynamic_quantization_of_torch_is_not_silent(layer: torch.nn.Module) -> None:
    """torch.ao.quantization passes over modules that it does not know; ours warn, and those with 8-bit weights do not."""
    model = torch.nn.Sequential(layer, torch.nn.Linear(4, 4))
    with pytest.raises(UserWarning, match=r"leaves \w+\(.*3, 4\) of recurra in float; recurra\.nn\.quantize\(module\)"):
        torch.ao.quantization.quantize_dynamic(model)
    assert not hasattr(layer, "qconfig")


@pytest.mark.filterwarnings("ignore:.*", "error:torch.ao.quantization leaves")
def test_both_quantizations_together() -> None:
    model = nn.quantize(torch.nn.Sequential(nn.LSTM(3, 4), torch.nn.Linear(4, 4)))
    both = torch.ao.quantization.quantize_dynamic(model)
    assert both[0].weight_hh_l0.dtype == torch.int8
    assert "DynamicQuantizedLinear" in repr(both[1])
    with torch.no_grad():
        assert both[0](torch.randn(5, 3))[0].shape == (5, 4)


def test_the_loss_of_a_trained_model_hardly_changes() -> None:
    """A character model of Python's own documentation: 8-bit weights cost less than 0.5 % of the loss."""
    text = "\n".join(
        str(module.__doc__) for module in (argparse, copy, io, json, logging, random, statistics, typing, pickle)
    )
    text += "".join(str(getattr(json, name).__doc__) for name in ("dump", "dumps", "load", "loads"))
    characters = sorted(set(text))
    ids = torch.tensor([characters.index(character) for character in text])
    torch.manual_seed(0)
    embedding, output = torch.nn.Embedding(len(characters), 24), torch.nn.Linear(48, len(characters))
    for cell in ("lstm", "gru"):
        layer = nn.Recurrent(cell, 24, 48)
        parameters = [*embedding.parameters(), *layer.parameters(), *output.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=0.01)
        rows = ids[: len(ids) // 8 * 8].view(8, -1)

        def loss(model: torch.nn.Module, chunk: Tensor) -> Tensor:
            logits = output(model(embedding(chunk[:, :-1]))[0])
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), chunk[:, 1:].flatten())

        first = loss(layer, rows).item()
        for k in range(120):
            at = 61 * k % (rows.shape[1] - 64)
            optimizer.zero_grad()
            loss(layer, rows[:, at : at + 64]).backward()
            optimizer.step()
        with torch.no_grad():
            trained, rounded = loss(layer, rows).item(), loss(nn.quantize(layer), rows).item()
        assert trained < 0.75 * first, "the model has learned something"
        assert abs(rounded - trained) < 0.005 * trained
