"""Conversions: other parameters, the same values."""

from __future__ import annotations

import pytest
import torch
from cells_registry import random_call, worst

from recurra import cells, nn
from recurra.cells.convert import double_bias, single_bias, turn_update_gate
from recurra.errors import CallError

EPS = torch.finfo(torch.float64).eps
WITH_BIAS = [cell for cell in map(cells.get, cells.names()) if cell.separate_hidden_bias is not None]


def layer_of(cell: cells.Cell | str, seed: int) -> nn.Recurrent:
    """Two layers, two directions; every parameter drawn, so that none is 0."""
    torch.manual_seed(seed)
    layer = nn.Recurrent(cell, 3, 5, num_layers=2, bidirectional=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.4, 0.4)
    return layer


def outputs(layer: nn.Recurrent) -> torch.Tensor:
    torch.manual_seed(9)
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    y, state = layer(x, layer.initial_state(4).map(lambda part: part + 0.25), lengths=[9, 0, 4, 1])
    return torch.cat([y.flatten(), *(part.flatten() for part in state.tensors().values())]).detach()


@pytest.mark.parametrize(("here", "there"), [("gru_before", "gru_textbook"), ("gru_textbook", "gru_before")])
def test_the_update_gate_turned(here: str, there: str) -> None:
    ours, theirs = layer_of(here, 0), layer_of(there, 1)
    theirs.load_state_dict(ours.state_dict())
    assert worst(outputs(theirs), outputs(ours)) > 0.1, "the same parameters mean another cell"
    theirs.load_state_dict(turn_update_gate(ours.state_dict()))
    assert worst(outputs(theirs), outputs(ours)) <= 64 * EPS


def test_a_gru_of_elsewhere_that_resets_after_the_matmul_becomes_ours() -> None:
    """h' = (1 - z) h + z n with n = tanh(Wn x + bn + r (Un h + cn)): our `gru` once its z is turned."""
    call = random_call(cells.GRU(), (4, 1, 3, 5), lengths="none", bidirectional=False)
    params = dict(zip(call.cell.parameters(3, 5, True), call.weights, strict=True))
    x, h = call.x[:, 0], call.state[0]
    projected = call.cell.project(x, params)
    _, z, n = call.cell.gates_of(projected, cells.Hidden(h), params).values()
    theirs = (1 - z) * h + z * n
    turned = turn_update_gate(params)
    (ours,) = call.cell.step(call.cell.project(x, turned), cells.Hidden(h), turned)
    assert worst(ours, theirs) <= 16 * EPS


def test_twice_turned_is_nothing() -> None:
    params = layer_of("gru_before", 0).state_dict()
    twice = turn_update_gate(turn_update_gate(params))
    assert list(twice) == list(params)
    assert all(torch.equal(twice[name], tensor) for name, tensor in params.items())


@pytest.mark.parametrize("cell", WITH_BIAS, ids=str)
def test_biases_merged_and_parted(cell: cells.Cell) -> None:
    ours, other = layer_of(cell, 0), layer_of(cell, 1)
    params = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    single = single_bias(cell, params)
    assert not any(name.startswith(("bias_ih", "bias_hh")) for name in single)
    for k in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert single[f"bias_{k}"].shape == params[f"bias_ih_{k}"].shape
        separate = cell.separate_hidden_bias or ()
        assert [name for name in single if name.startswith("bias_h") and name.endswith(f"_{k}")] == [
            f"bias_h{gate}_{k}" for gate in separate
        ]
        for gate in separate:
            at = 5 * cell.gates.index(gate)
            assert torch.equal(single[f"bias_h{gate}_{k}"], params[f"bias_hh_{k}"][at : at + 5])
    double = double_bias(cell, single)
    assert {name: tensor.shape for name, tensor in double.items()} == {n: t.shape for n, t in params.items()}
    other.load_state_dict(double)
    assert worst(outputs(other), outputs(ours)) <= 256 * EPS  # one rounding a gate and step, of cells that norm, too
    again = single_bias(cell, double)
    assert all(torch.equal(again[name], tensor) for name, tensor in single.items()), "single -> double -> single"
    assert all(torch.equal(params[name], tensor) for name, tensor in ours.state_dict().items()), "nothing in place"


def test_the_whole_hidden_bias_of_a_gru_cannot_be_merged() -> None:
    """What single_bias leaves apart matters: merged by force, the values change."""
    ours, other = layer_of("gru", 0), layer_of("gru", 1)
    params = ours.state_dict()
    forced = {name: tensor.clone() for name, tensor in params.items()}
    for name in [name for name in params if name.startswith("bias_hh")]:
        forced[name.replace("hh", "ih")] += forced[name]
        forced[name].zero_()
    other.load_state_dict(forced)
    assert worst(outputs(other), outputs(ours)) > 1e-3


def test_parameters_of_one_cell_have_no_suffix() -> None:
    call = random_call(cells.GRU(), (2, 1, 3, 5), bidirectional=False)
    params = dict(zip(call.cell.parameters(3, 5, True), call.weights, strict=True))
    assert list(single_bias(call.cell, params)) == ["weight_ih", "weight_hh", "bias", "bias_hn"]
    assert list(double_bias(call.cell, single_bias(call.cell, params))) == list(params)


def wrong_params() -> dict[str, torch.Tensor]:
    return {"weight_ih": torch.zeros(6, 2), "weight_hh": torch.zeros(6, 2)}


def test_the_hidden_bias_that_is_kept_apart_is_that_of_n() -> None:
    separate = {cell.name for cell in WITH_BIAS if cell.separate_hidden_bias == ("n",)}
    assert separate == {"gru", "ln_gru"}
    assert all(cell.separate_hidden_bias == () for cell in WITH_BIAS if cell.name not in separate)
    assert {cell.name for cell in WITH_BIAS} >= {
        "rnn",
        "lstm",
        "gru",
        "peephole_lstm",
        "coupled_lstm",
        "ln_lstm",
        "mgu",
    }


class Own(cells.GRU):
    separate_hidden_bias = None


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: turn_update_gate({"gain_ih": torch.ones(6)}), r"gain_ih \(6,\) is not a parameter of a GRU"),
        (lambda: turn_update_gate({"weight_ih": torch.ones(8, 2)}), r"weight_ih \(8, 2\) is not a parameter"),
        (
            lambda: single_bias(cells.GRU(), wrong_params()),
            "params has no bias_ih for gru; it holds weight_ih, weight_hh",
        ),
        (lambda: single_bias(cells.GRU(), {"bias_ih_l0": torch.ones(6)}), "has bias_ih_l0 but no bias_hh_l0"),
        (lambda: double_bias(cells.GRU(), {"bias": torch.ones(6)}), "has bias but no bias_hn; gru expects both"),
        (lambda: double_bias(cells.LSTM(), {}), "params has no bias for lstm; it holds nothing"),
        (lambda: single_bias(Own(), wrong_params()), "does not declare separate_hidden_bias"),
    ],
)
def test_parameters_that_cannot_be_converted_are_reported(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CallError, match=says):
        call()


def test_a_cell_by_its_name() -> None:
    params = dict(nn.LSTM(3, 4).named_parameters())
    one, other = single_bias("lstm", params), single_bias(cells.LSTM(), params)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
