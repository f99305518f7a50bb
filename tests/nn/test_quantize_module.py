"""`nn.quantize`: modules, saving and loading, what is rejected, torch.ao.quantization, and the loss of a trained model."""

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
from recurra.errors import CallError
from recurra.ops.native import loader

pytestmark = pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])
EPS = torch.finfo(torch.float32).eps


def build(cell: cells.Cell, inputs: int = 5, size: int = 19, **arguments: object) -> nn.Recurrent:
    torch.manual_seed(0)
    return nn.Recurrent(cell, inputs, size, **arguments).eval()  # type: ignore[arg-type]


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
        CallError, match=r"keep has 'upper', which is not a recurrent layer of the module; its layers are 'lower'"
    ):
        nn.quantize(model, keep=["upper"])


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch.func uses it
@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_no_gradient_and_no_tangent(backend: str) -> None:
    layer, x = build(cells.LSTM(), backend=backend), torch.randn(2, 3, 5)
    quantized, no_gradient = nn.quantize(layer), "is for inference and has no gradient"
    with torch.no_grad():
        state = quantized(x)[1]
    for arguments in ((x.clone().requires_grad_(),), (x, state.map(lambda part: part.clone().requires_grad_()))):
        with pytest.raises(CallError, match=no_gradient):
            quantized(*arguments)
        with torch.no_grad():
            assert not quantized(*arguments)[0].requires_grad
    with pytest.raises(CallError, match=no_gradient):
        torch.func.grad(lambda x: quantized(x)[0].sum())(x)
    with pytest.raises(CallError, match=no_gradient):
        torch.func.jvp(lambda x: quantized(x)[0], (x,), (x,))


def test_export_and_compile() -> None:
    quantized, x = nn.quantize(build(cells.GRU(), num_layers=2)), torch.randn(2, 9, 5)
    with torch.no_grad():
        y = quantized(x)[0]
        assert torch.equal(torch.export.export(quantized, (x,)).module()(x)[0], y)
        assert torch.equal(torch.compile(quantized, backend="eager")(x)[0], y)


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
    embedding, output = torch.nn.Embedding(len(characters), 16), torch.nn.Linear(32, len(characters))
    for cell in ("lstm", "gru"):
        layer = nn.Recurrent(cell, 16, 32)
        parameters = [*embedding.parameters(), *layer.parameters(), *output.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=0.02)
        rows = ids[: len(ids) // 8 * 8].view(8, -1)[:, :1000]

        def loss(model: torch.nn.Module, chunk: Tensor) -> Tensor:
            logits = output(model(embedding(chunk[:, :-1]))[0])
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), chunk[:, 1:].flatten())

        first = loss(layer, rows).item()
        for k in range(80):
            at = 31 * k % (rows.shape[1] - 32)
            optimizer.zero_grad()
            loss(layer, rows[:, at : at + 32]).backward()
            optimizer.step()
        with torch.no_grad():
            trained, rounded = loss(layer, rows).item(), loss(nn.quantize(layer), rows).item()
        assert trained < 0.75 * first, "the model has learned something"
        assert abs(rounded - trained) < 0.005 * trained
