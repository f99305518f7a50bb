"""Gradient rules against hand-written backpropagation through time and against autograd, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from rule_helpers import Gradients, Toy, by_autograd, by_rule, close
from torch.nn.functional import linear

from recurra import bptt, cells
from recurra.cells import Cell, Hidden, Parameter, uniform
from recurra.errors import SettingError
from recurra.nn import State
from recurra.tasks.objective import Objective
from recurra.training.rules import ARTBP, RTRL, TBPTT, CheckpointedBPTT, GradientRule, RandomLength, SnAp1
from recurra.training.rules.structure import cells_with_one_unit, structure_of

BY_HAND = {"rnn": bptt.RNN(), "lstm": bptt.LSTM(), "gru": bptt.GRU()}
WINDOWS = [(1, 1), (1, 5), (3, 3), (3, 5), (4, 7), (5, 40)]


@dataclass(frozen=True)
class IndependentUnits(Cell):
    """An element-wise recurrence with a trained decay."""

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        init = uniform(hidden_size)
        return {"w": Parameter((hidden_size, input_size), init), "u": Parameter((hidden_size,), init)}

    def project(self, x: torch.Tensor, params: Any) -> torch.Tensor:
        return linear(x, params["w"])

    def step(self, projected: torch.Tensor, state: Any, params: Any) -> Hidden:
        return Hidden(torch.tanh(projected + params["u"] * state.h))


def by_hand(toy: Toy, name: str, truncate: tuple[int, int] | None) -> dict[str, np.ndarray]:
    """The gradient of the recurrent parameters by `recurra.bptt`, summed over the sequences."""
    cell = BY_HAND[name]
    p = {key: toy.recurrent.get_parameter(f"{key}_l0").detach().numpy() for key in bptt.cell.PARAMETERS}
    total = {key: np.zeros_like(value) for key, value in p.items()}
    for row in range(len(toy.lengths)):
        one = toy.rows(row)
        run = bptt.forward(cell, p, one.x[:, : one.steps].numpy())
        y = torch.from_numpy(run.y).requires_grad_()
        index = torch.arange(one.steps)[None]
        dy, dfinal = None, None
        if toy.has_steps:
            one.step_loss(y, index, torch.ones_like(index, dtype=torch.bool)).backward()
            dy = y.grad.numpy()  # type: ignore[union-attr]
        if toy.pooling is not None:
            h = torch.from_numpy(run.final_state[0]).requires_grad_()
            one.final_loss((h,), torch.ones(1, dtype=torch.bool)).backward()
            dfinal = (h.grad.numpy(), *(np.zeros_like(value) for value in run.final_state[1:]))  # type: ignore[union-attr]
        toy.network.zero_grad()
        for key, value in bptt.backward(cell, p, run, dy, dfinal, truncate=truncate).params.items():
            total[key] += value
    return total


# truncation -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("k1", "k2"), WINDOWS)
@pytest.mark.parametrize("pooling", [None, "last"])
@pytest.mark.parametrize("name", BY_HAND)
def test_truncated_gradient_is_that_of_the_hand_written_bptt(name: str, pooling: str | None, k1: int, k2: int) -> None:
    """For a loss of every step and of the last one, in sequences of different lengths."""
    toy = Toy(name, lengths=(13, 7, 2), pooling=pooling)
    found, loss, _ = by_rule(TBPTT(k1, k2), toy)
    for key, value in by_hand(toy, name, (k1, k2)).items():
        np.testing.assert_allclose(found[f"recurrent.{key}_l0"].numpy(), value, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(loss, toy.whole().detach())


@pytest.mark.parametrize("pooling", ["mean", "max", "attention", "mean_max"])
def test_earlier_outputs_in_a_pooling_are_constants(pooling: str) -> None:
    toy = Toy("gru", lengths=(11, 4), steps=False, pooling=pooling)
    assert toy.pooling is not None
    k2, index = 5, torch.arange(11).expand(2, -1)
    early = (toy.lengths - k2).clamp(min=0)
    with torch.no_grad():
        y, state = toy.recurrent(toy.inputs(index), lengths=early)
        pooled = toy.pooling.push(y, early, None)
    for row in range(2):
        at = slice(int(early[row]), int(toy.lengths[row]))
        y, _ = toy.recurrent(toy.x[row : row + 1, at], state.rows([row]))
        one = toy.rows(row)
        one.final_loss(
            toy.pooling.push(y, None, tuple(v[row : row + 1] for v in pooled)), torch.tensor([True])
        ).backward()
    expected = {name: p.grad.clone() for name, p in toy.network.named_parameters() if p.grad is not None}
    toy.network.zero_grad()
    assert close(by_rule(TBPTT(3, k2), toy)[0], expected)


def test_one_window_is_the_whole_gradient() -> None:
    for pooling in (None, "mean_max", "attention"):
        toy = Toy("lstm", lengths=(9, 5), pooling=pooling, embedding=True, num_layers=2)
        expected = by_autograd(toy)
        for rule in (TBPTT(9, 9), TBPTT(2, 50), CheckpointedBPTT(3)):
            assert close(by_rule(rule, toy)[0], expected), (pooling, rule)


@pytest.mark.parametrize("pooling", [None, "mean_max"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recomputation_changes_no_bit(cell: str, pooling: str | None) -> None:
    toy = Toy(cell, lengths=(17, 9, 1), pooling=pooling, num_layers=2, embedding=True)
    kept, *_ = by_rule(CheckpointedBPTT(4, recompute=False), toy)
    again, *_ = by_rule(CheckpointedBPTT(4), toy)
    assert all(torch.equal(kept[name], again[name]) for name in kept)
    assert close(kept, by_autograd(toy))


# windows that continue each other ---------------------------------------------------------------------------------------
def window(toy: Toy, begin: int, end: int, context: int, next_context: int) -> Toy:
    """The time steps begin - context .. end - 1 as a batch, which the next one continues."""
    one = object.__new__(Toy)
    one.__dict__.update(toy.__dict__)
    one.x, one.targets = toy.x[:, begin - context : end], toy.targets[:, begin - context : end]
    one.steps, one.begin = one.x.shape[1], context
    one.lengths = torch.full_like(toy.lengths, one.steps)
    one.resume, one.is_window = one.steps - next_context, True
    return one


@pytest.mark.parametrize("rule", [TBPTT(3, 3), TBPTT(3, 7), SnAp1(), RTRL()])
def test_batches_that_continue_each_other_are_one_sequence(rule: GradientRule) -> None:
    toy, state = Toy("rnn", lengths=(12, 12)), None
    total: Gradients = {}
    context = rule.k2 - rule.k1 if isinstance(rule, TBPTT) else 0
    for begin in range(0, 12, 3):
        batch = window(toy, begin, begin + 3, min(context, begin), min(context, begin + 3))
        found, _, state = by_rule(rule, batch, state)
        total = {name: total.get(name, 0) + value for name, value in found.items()}
    assert close(total, by_rule(rule, toy)[0])


# unbiased truncation -----------------------------------------------------------------------------------------------------
def flat(gradients: Gradients) -> torch.Tensor:
    return torch.cat([value.flatten() for name, value in gradients.items() if name.startswith("recurrent")])


@pytest.mark.parametrize("pooling", [None, "last"])
def test_artbp_is_unbiased_and_tbptt_is_not(pooling: str | None) -> None:
    """The mean of 200 draws, in the direction of the bias of tbptt and in four random directions.

    An orthogonal recurrent matrix and small inputs keep the gradient alive over the whole sequence.
    """
    toy = Toy("rnn", lengths=(8, 6), steps=pooling is None, pooling=pooling, H=3, seed=1)
    toy.x *= 0.1
    torch.nn.init.orthogonal_(toy.recurrent.get_parameter("weight_hh_l0"))
    full, truncated = flat(by_autograd(toy)), flat(by_rule(TBPTT(2, 4), toy)[0])
    torch.manual_seed(7)
    draws = torch.stack([flat(by_rule(ARTBP(2, 4), toy)[0]) for _ in range(200)])
    bias = truncated - full
    directions = torch.cat([bias[None] / bias.norm(), torch.randn(4, len(full), dtype=torch.float64)])
    projected = (draws - full) @ directions.T
    error = projected.std(0) / len(draws) ** 0.5
    assert (projected.mean(0).abs() < 4 * error).all()
    assert bias.norm() > 4 * error[0]


def test_random_lengths_are_cuts_of_the_sequence() -> None:
    """With windows as long as the sequence the gradient is the full one; shorter windows give another one."""
    toy = Toy("gru", lengths=(12, 9), pooling="last")
    assert close(by_rule(RandomLength(400, 400), toy)[0], by_autograd(toy))
    torch.manual_seed(0)
    found, loss, _ = by_rule(RandomLength(3, 3), toy)
    assert not close(found, by_autograd(toy))
    torch.testing.assert_close(loss, toy.whole().detach())
    assert RandomLength(70, 70).rate(35) == 0.5


# forward in time -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pooling", [None, "last", "mean", "max", "mean_max"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mgu", "ln_gru"])
def test_rtrl_is_exact(cell: str, pooling: str | None) -> None:
    toy = Toy(cell, lengths=(7, 4), pooling=pooling, H=3, num_layers=2 if pooling is None else 1, embedding=True)
    rule = RTRL()
    rule.check(toy)
    found, loss, _ = by_rule(rule, toy)
    assert close(found, by_autograd(toy))
    torch.testing.assert_close(loss, toy.whole().detach())


@pytest.mark.parametrize("pooling", [None, "last"])
def test_snap1_is_exact_for_a_diagonal_recurrence(pooling: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy(IndependentUnits(), lengths=(8, 5), pooling=pooling)
    sparse, *_ = by_rule(SnAp1(), toy)
    assert close(sparse, by_autograd(toy))
    assert close(by_rule(RTRL(), toy)[0], sparse)
    monkeypatch.setattr("recurra.training.rules.rtrl._is_element_wise", lambda objective: False)
    assert close(by_rule(RTRL(), toy)[0], sparse)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "peephole_lstm", "coupled_lstm"])
def test_snap1_leaves_out_other_units_alone(cell: str) -> None:
    """With a diagonal recurrent matrix nothing is left out, but for the entries of the matrix off its diagonal."""
    toy = Toy(cell, lengths=(7, 5), H=3)
    weight = toy.recurrent.get_parameter("weight_hh_l0")
    within = torch.eye(3, dtype=torch.float64).repeat(len(weight) // 3, 1)
    full = by_autograd(toy)
    assert not close(by_rule(SnAp1(), toy)[0], full)
    with torch.no_grad():
        weight.mul_(within)
    assert close(by_rule(SnAp1(), toy)[0], by_autograd(toy))


def test_the_structure_of_cells() -> None:
    assert set(cells_with_one_unit()) >= {"rnn", "lstm", "gru", "peephole_lstm", "coupled_lstm"}
    assert not {"gru_before", "gru_textbook", "mgu", "ln_lstm", "ln_gru"} & set(cells_with_one_unit())
    assert structure_of(IndependentUnits()) == (True, True)
    assert structure_of(cells.get("lstm")) == (True, False)


def test_a_rule_that_a_network_does_not_support() -> None:
    def refused(rule: GradientRule, objective: Objective) -> str:
        with pytest.raises(SettingError) as caught:
            rule.check(objective)
        return str(caught.value)

    message = refused(SnAp1(), Toy("mgu"))
    assert "needs a cell in which each parameter reaches one unit per step, which mgu is not; use " in message
    assert "lstm" in message
    assert refused(SnAp1(), Toy("gru", pooling="mean")) == "gradient=snap1 needs pooling=last"
    assert refused(RTRL(), Toy("gru", H=65)).startswith("gradient=rtrl is exact for element-wise recurrences")
    assert "needs pooling=last or mean" in refused(RTRL(), Toy("gru", pooling="attention"))


def test_the_state_of_a_forward_rule_is_a_state() -> None:
    toy = window(Toy("gru", lengths=(4, 4)), 0, 4, 0, 0)
    *_, after = by_rule(SnAp1(), toy)
    assert isinstance(after, State) and after.batch_size == 2 and "influence.0.weight_hh.h" in after
