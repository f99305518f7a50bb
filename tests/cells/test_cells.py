"""Cells: the contract every cell keeps, equations worked by hand, and the registry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from cells_registry import CELLS, OTHERS, Leaky, every_cell

from recurra import cells
from recurra.errors import CallError


def params_of(cell: cells.Cell, I: int, H: int, bias: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    params = {}
    for name, parameter in cell.parameters(I, H, bias).items():
        params[name] = torch.full(parameter.shape, torch.nan, dtype=torch.float64)
    cell.initialize(params, I, H, bias)
    return params


GATED = (
    "rnn",
    "lstm",
    "gru",
    "peephole_lstm",
    "coupled_lstm",
    "ln_lstm",
    "gru_before",
    "gru_textbook",
    "ln_gru",
    "mgu",
)


@pytest.mark.parametrize("cell", [cells.get(name) for name in GATED], ids=str)
def test_the_weights_of_gated_cells_start_within_the_usual_bound(cell: cells.Cell) -> None:
    """What a normalization multiplies by and adds starts at 1 and 0; all else is uniform in 1/sqrt(H)."""
    for name, parameter in cell.parameters(5, 7, True).items():
        if name.startswith("gain_"):
            assert parameter.init is torch.nn.init.ones_
        elif parameter.init is not torch.nn.init.zeros_:
            assert parameter.init == cells.Uniform(-1 / math.sqrt(7), 1 / math.sqrt(7))


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_contract(cell: cells.Cell, bias: bool) -> None:
    B, T, I, H = 3, 4, 5, 7
    params = params_of(cell, I, H, bias)
    for name, parameter in cell.parameters(I, H, bias).items():
        p = params[name]
        assert p.isfinite().all()
        if isinstance(parameter.init, cells.Uniform):
            assert parameter.init.low <= p.min() and p.max() <= parameter.init.high
            assert p.unique().numel() == p.numel()
    again = params_of(cell, I, H, bias)
    assert all(torch.equal(p, again[name]) for name, p in params.items()), "the same seed gives the same numbers"
    sizes = cell.state_sizes(H)
    assert tuple(sizes) == cell.states == cell.state_type._fields
    state = cell.state_type(*(torch.rand(B, size, dtype=torch.float64) for size in sizes.values()))
    before = [part.clone() for part in state]
    x = torch.randn(B, T, I, dtype=torch.float64)
    projected = cell.project(x, params)
    assert projected.shape[:2] == (B, T)
    # Projecting one step alone gives that step's part; up to the order of a matmul's sums.
    torch.testing.assert_close(projected[:, 1], cell.project(x[:, 1], params))
    after = cell.step(projected[:, 0], state, params)
    assert isinstance(after, cell.state_type)
    assert [part.shape for part in after] == [part.shape for part in state]
    assert all(torch.equal(a, b) for a, b in zip(before, state, strict=True)), "the step is pure"
    gates = cell.gates_of(projected[:, 0], state, params)
    assert tuple(gates) == cell.gates
    assert all(gate.shape == (B, H) and gate.abs().max() < 3 for gate in gates.values())


@every_cell
def test_a_cell_is_a_value(cell: cells.Cell) -> None:
    assert cell == type(cell)(**vars(cell))
    assert sum(cell == other for other in CELLS) == 1


@pytest.mark.parametrize("cell", [cells.get(name) for name in cells.names()], ids=str)
def test_a_built_in_cell_names_its_source_and_gates(cell: cells.Cell) -> None:
    assert cell.gates
    assert any(year in cell.source for year in map(str, range(1980, 2030)))


class Half(cells.Cell):
    def project(self, x: torch.Tensor, params: cells.Params) -> torch.Tensor:
        return x


class Unsaid(Leaky):
    gates = ("u",)


def one(value: float) -> torch.Tensor:
    return torch.tensor([[value]], dtype=torch.float64)


def test_rnn_by_hand() -> None:
    params = {"weight_ih": one(0.5), "weight_hh": one(-2.0), "bias_ih": one(0.25)[0], "bias_hh": one(0.5)[0]}
    # 0.5 * 3 + 0.25 + (-2) * 0.75 + 0.5 = 0.75
    for cell, expected in ((cells.RNN(), math.tanh(0.75)), (cells.RNN("relu"), 0.75)):
        (h,) = cell.step(cell.project(one(3.0), params), cells.Hidden(one(0.75)), params)
        assert h.item() == pytest.approx(expected, abs=1e-15)


def test_lstm_by_hand() -> None:
    ln3 = math.log(3.0)  # sigmoid(ln 3) = 3/4, sigmoid(-ln 3) = 1/4
    # x = 1, h = 0: the gates see weight_ih alone. i = 3/4, f = 1/4, g = tanh(0.5), o = 1/2; c = 2.
    params = {
        "weight_ih": torch.tensor([[ln3], [-ln3], [0.5], [0.0]], dtype=torch.float64),
        "weight_hh": torch.ones(4, 1, dtype=torch.float64),
    }
    cell = cells.LSTM()
    h, c = cell.step(cell.project(one(1.0), params), cells.LSTMState(one(0.0), one(2.0)), params)
    assert c.item() == pytest.approx(0.25 * 2 + 0.75 * math.tanh(0.5), abs=1e-15)
    assert h.item() == pytest.approx(0.5 * math.tanh(c.item()), abs=1e-15)


def test_gru_by_hand() -> None:
    ln3 = math.log(3.0)
    # x = 1, h = 1, U = (0, 0, 2): r = 1/4, z = 3/4, n = tanh(0.5 + 1/4 * 2); z of 1 would keep the old state.
    params = {
        "weight_ih": torch.tensor([[-ln3], [ln3], [0.5]], dtype=torch.float64),
        "weight_hh": torch.tensor([[0.0], [0.0], [2.0]], dtype=torch.float64),
    }
    cell = cells.GRU()
    (h,) = cell.step(cell.project(one(1.0), params), cells.Hidden(one(1.0)), params)
    assert h.item() == pytest.approx(0.25 * math.tanh(1.0) + 0.75 * 1.0, abs=1e-15)


def test_get_by_name_class_and_instance() -> None:
    assert cells.get("lstm") == cells.get(cells.LSTM) == cells.get(cells.LSTM()) == cells.LSTM()
    assert cells.get("rnn", nonlinearity="relu") == cells.RNN("relu")
    assert cells.get(Leaky, leak=0.5) == Leaky(0.5)
    assert set(cells.names()) >= {"rnn", "lstm", "gru"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cells.get("lstn"), "unknown cell 'lstn'; did you mean 'lstm'"),
        (lambda: cells.get("gru_bofore"), "did you mean 'gru_before'"),
        (lambda: cells.get(3), "expected a name"),  # type: ignore[arg-type]
        (lambda: cells.get("rnn", nonlinarity="relu"), "did you mean 'nonlinearity'"),
        (lambda: cells.get("rnn", gates=("n",)), "cell 'rnn' has no option 'gates'"),
        (lambda: cells.get(cells.LSTM(), leak=1), "is the instance"),
        (lambda: cells.get(Half), "cell Half does not define parameters, step"),
        (lambda: cells.get(Unsaid()), "cell Unsaid names the gates u and does not define gates_of"),
        (lambda: cells.RNN("sigmoid"), "expected 'tanh' or 'relu'"),
    ],
)
def test_invalid_specifications_are_reported(call, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CallError, match=says):
        call()


def test_a_name_always_means_the_built_in_cell() -> None:
    """A user's own class with the name of a built-in one is a cell like any other, and takes nothing over."""

    @dataclass(frozen=True)
    class LSTM(Leaky):
        name = "lstm"

    assert type(cells.get(LSTM)) is LSTM
    assert type(cells.get("lstm")) is cells.LSTM
    assert not hasattr(cells, "register"), "nothing can be entered into the registry from elsewhere"
    assert len(set(cells.names())) == len(cells.names()) == len(CELLS) - len(OTHERS)


def test_gates_without_values_are_reported() -> None:
    cell = Unsaid()
    params = params_of(cell, 2, 3)
    with pytest.raises(NotImplementedError, match="gates_of"):
        cell.gates_of(torch.zeros(1, 3), cells.Hidden(torch.zeros(1, 3)), params)
