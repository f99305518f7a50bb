"""The equations of the further cells, worked in plain Python as their papers print them, and how cells are related."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra import cells
from recurra.errors import CallError

H, I = 3, 2
Vector = list[float]
EXACT = 32 * torch.finfo(torch.float64).eps  # sums of a few terms of size one, through a few functions of slope one


def sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def norm(v: Vector, eps: float) -> Vector:
    mean = sum(v) / len(v)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in v) / len(v) + eps)
    return [(a - mean) / deviation for a in v]


class Drawn:
    """Parameters, an input and a state as lists; `wx("f")` is the product W x of the rows of one gate."""

    def __init__(self, cell: cells.Cell) -> None:
        torch.manual_seed(4)
        self.cell = cell
        self.params = {name: torch.rand(p.shape).double() - 0.5 for name, p in cell.parameters(I, H, True).items()}
        self.x = torch.randn(1, I, dtype=torch.float64)
        self.state = cell.state_type(*(torch.rand(1, H, dtype=torch.float64) - 0.5 for _ in cell.states))
        self.h = self.state[0][0].tolist()
        self.c = self.state[-1][0].tolist()

    def rows(self, name: str, gate: str, gates: Any = None) -> Any:
        at = tuple(gates or self.cell.gates).index(gate) * H
        return self.params[name][at : at + H].tolist()

    def wx(self, gate: str) -> Vector:
        return self.times(self.rows("weight_ih", gate), self.x[0].tolist())

    def uh(self, gate: str, h: Vector | None = None) -> Vector:
        return self.times(self.rows("weight_hh", gate), self.h if h is None else h)

    def b(self, gate: str) -> Vector:
        return [b + c for b, c in zip(self.rows("bias_ih", gate), self.rows("bias_hh", gate), strict=True)]

    @staticmethod
    def times(matrix: list[Vector], v: Vector) -> Vector:
        return [sum(w * a for w, a in zip(row, v, strict=True)) for row in matrix]

    def sum(self, gate: str, h: Vector | None = None) -> Vector:
        """W x + b + U h + c of one gate."""
        return [sum(terms) for terms in zip(self.wx(gate), self.b(gate), self.uh(gate, h), strict=True)]


def each(function: Callable[..., float], *vectors: Vector) -> Vector:
    return [function(*values) for values in zip(*vectors, strict=True)]


def peephole_lstm(d: Drawn) -> list[Vector]:
    p = {gate: d.rows("peephole", gate, "ifo") for gate in "ifo"}
    i = each(lambda a, p, c: sigmoid(a + p * c), d.sum("i"), p["i"], d.c)
    f = each(lambda a, p, c: sigmoid(a + p * c), d.sum("f"), p["f"], d.c)
    c = each(lambda i, f, g, c: f * c + i * math.tanh(g), i, f, d.sum("g"), d.c)
    return [each(lambda a, p, c: sigmoid(a + p * c) * math.tanh(c), d.sum("o"), p["o"], c), c]


def coupled_lstm(d: Drawn) -> list[Vector]:
    c = each(lambda f, g, c: sigmoid(f) * c + (1 - sigmoid(f)) * math.tanh(g), d.sum("f"), d.sum("g"), d.c)
    return [each(lambda o, c: sigmoid(o) * math.tanh(c), d.sum("o"), c), c]


def ln_lstm(d: Drawn) -> list[Vector]:
    a = [0.0] * (4 * H)
    for side, products in (("ih", d.wx), ("hh", d.uh)):
        normed = norm([v for gate in "ifgo" for v in products(gate)], 1e-5)
        gain, bias = d.params[f"gain_{side}"].tolist(), d.params[f"bias_{side}"].tolist()
        a = each(lambda a, s, v, b: a + s * v + b, a, gain, normed, bias)
    i, f, g, o = (a[k * H : (k + 1) * H] for k in range(4))
    c = each(lambda i, f, g, c: sigmoid(f) * c + sigmoid(i) * math.tanh(g), i, f, g, d.c)
    gain, bias = d.params["gain_c"].tolist(), d.params["bias_c"].tolist()
    return [each(lambda o, s, v, b: sigmoid(o) * math.tanh(s * v + b), o, gain, norm(c, 1e-5), bias), c]


def ln_gru(d: Drawn) -> list[Vector]:
    sides = {}
    for side, products in (("ih", d.wx), ("hh", d.uh)):
        normed = norm([*products("r"), *products("z")], 1e-5) + norm(products("n"), 1e-5)
        gain, bias = d.params[f"gain_{side}"].tolist(), d.params[f"bias_{side}"].tolist()
        v = each(lambda s, v, b: s * v + b, gain, normed, bias)
        sides[side] = v[:H], v[H : 2 * H], v[2 * H :]
    (xr, xz, xn), (hr, hz, hn) = sides["ih"], sides["hh"]
    n = each(lambda xr, hr, xn, hn: math.tanh(xn + sigmoid(xr + hr) * hn), xr, hr, xn, hn)
    return [each(lambda xz, hz, n, h: (1 - sigmoid(xz + hz)) * n + sigmoid(xz + hz) * h, xz, hz, n, d.h)]


def gru_before(d: Drawn) -> list[Vector]:
    n = d.sum("n", each(lambda r, h: sigmoid(r) * h, d.sum("r"), d.h))
    return [each(lambda z, n, h: (1 - sigmoid(z)) * math.tanh(n) + sigmoid(z) * h, d.sum("z"), n, d.h)]


def gru_textbook(d: Drawn) -> list[Vector]:
    n = d.sum("n", each(lambda r, h: sigmoid(r) * h, d.sum("r"), d.h))
    return [each(lambda z, n, h: (1 - sigmoid(z)) * h + sigmoid(z) * math.tanh(n), d.sum("z"), n, d.h)]


def mgu(d: Drawn) -> list[Vector]:
    f = d.sum("f")
    n = d.sum("n", each(lambda f, h: sigmoid(f) * h, f, d.h))
    return [each(lambda f, n, h: (1 - sigmoid(f)) * h + sigmoid(f) * math.tanh(n), f, n, d.h)]


BY_HAND = [peephole_lstm, coupled_lstm, ln_lstm, ln_gru, gru_before, gru_textbook, mgu]


def step(cell: cells.Cell, x: Tensor, state: Any, params: cells.Params) -> Tensor:
    """The parts after one step, side by side."""
    return torch.cat(cell.step(cell.project(x, params), state, params), dim=-1)


@pytest.mark.parametrize("equation", BY_HAND, ids=lambda equation: equation.__name__)
def test_the_step_is_the_equation(equation: Callable[[Drawn], list[Vector]]) -> None:
    drawn = Drawn(cells.get(equation.__name__))
    ours = step(drawn.cell, drawn.x, drawn.state, drawn.params)
    expected = torch.tensor([[v for part in equation(drawn) for v in part]], dtype=torch.float64)
    # A norm divides by the deviation of its numbers, here a third or so.
    assert (ours - expected).abs().max() <= EXACT * (4 if "ln" in equation.__name__ else 1)


def test_every_built_in_cell_is_worked_by_hand() -> None:
    assert {equation.__name__ for equation in BY_HAND} == set(cells.names()) - {"rnn", "lstm", "gru"}


def gates(tensor: Tensor, rows: int) -> list[Tensor]:
    return list(tensor.chunk(rows))


def test_without_peepholes_it_is_the_lstm() -> None:
    drawn = Drawn(cells.PeepholeLSTM())
    params = drawn.params | {"peephole": torch.zeros(3 * H, dtype=torch.float64)}
    lstm = step(cells.LSTM(), drawn.x, drawn.state, params)
    assert torch.equal(step(cells.PeepholeLSTM(), drawn.x, drawn.state, params), lstm)
    assert not torch.equal(step(cells.PeepholeLSTM(), drawn.x, drawn.state, drawn.params), lstm)


def test_coupled_is_the_lstm_whose_input_gate_is_the_forget_gate_turned() -> None:
    """1 - sigmoid(a) = sigmoid(-a)."""
    drawn = Drawn(cells.CoupledLSTM())
    params = {}
    for name, tensor in drawn.params.items():
        f, g, o = gates(tensor, 3)
        params[name] = torch.cat([-f, f, g, o])
    lstm = step(cells.LSTM(), drawn.x, drawn.state, params)
    assert (step(drawn.cell, drawn.x, drawn.state, drawn.params) - lstm).abs().max() <= EXACT


def test_where_the_reset_stands_matters_only_when_it_acts() -> None:
    drawn = Drawn(cells.GRU())
    x, state = drawn.x, drawn.state
    after, before = (step(cell, x, state, drawn.params) for cell in (cells.GRU(), cells.GRUBefore()))
    assert (after - before).abs().max() > 1e-3
    bias = drawn.params["bias_ih"].clone()
    bias[:H] = 1e4  # r = 1
    after, before = (
        step(cell, x, state, drawn.params | {"bias_ih": bias}) for cell in (cells.GRU(), cells.GRUBefore())
    )
    assert (after - before).abs().max() <= EXACT


def test_the_minimal_gated_unit_is_the_textbook_gru_with_one_gate_for_both() -> None:
    drawn = Drawn(cells.MGU())
    params = {}
    for name, tensor in drawn.params.items():
        f, n = gates(tensor, 2)
        params[name] = torch.cat([f, f, n])
    gru = step(cells.GRUTextbook(), drawn.x, drawn.state, params)
    assert (step(drawn.cell, drawn.x, drawn.state, drawn.params) - gru).abs().max() <= EXACT


@pytest.mark.parametrize("kind", [cells.LayerNormLSTM, cells.LayerNormGRU])
def test_the_norms_take_away_the_scale_of_the_weights(kind: type[cells.Cell]) -> None:
    """Ba et al. 2016, section 5.1. A power of two is exact, and eps as good as none."""
    drawn = Drawn(kind(eps=1e-30))  # type: ignore[call-arg]
    x, state, params = drawn.x, drawn.state, drawn.params
    scaled = params | {"weight_ih": 8 * params["weight_ih"], "weight_hh": params["weight_hh"] / 4}
    assert torch.equal(step(drawn.cell, x, state, scaled), step(drawn.cell, x, state, params))
    plain = Drawn(kind(eps=0.1))  # type: ignore[call-arg]
    assert not torch.equal(step(plain.cell, x, state, scaled), step(plain.cell, x, state, params)), "eps is used"


def test_gains_start_at_one_and_their_biases_at_zero() -> None:
    for cell in (cells.LayerNormLSTM(), cells.LayerNormGRU()):
        for name, parameter in cell.parameters(I, H, True).items():
            tensor = torch.full(parameter.shape, torch.nan)
            parameter.init(tensor)
            if not name.startswith("weight"):
                assert tensor.eq(1.0 if name.startswith("gain") else 0.0).all()


@pytest.mark.parametrize("eps", [0, -1e-5, "small", math.nan])
@pytest.mark.parametrize("name", ["ln_lstm", "ln_gru"])
def test_a_wrong_eps_is_told(name: str, eps: Any) -> None:
    with pytest.raises(CallError, match=r"eps is .*; expected a (number above 0|float)"):
        cells.get(name, eps=eps)
