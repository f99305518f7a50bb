"""What a cell declares beyond trained weights: fixed parameters, an initial state, in every way that a layer is run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from cells_registry import USERS, Leaky, worst
from layer_helpers import FEW, made, random_state, some
from torch import Tensor

from recurra import cells, nn
from recurra.errors import BackendError, CallError
from recurra.testing import check_cell

ECHO = next(cell for cell in USERS if cell.name == "echostate")


class Learned(Leaky):
    """The initial state is a parameter."""

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, cells.Parameter]:
        start = cells.Parameter((hidden_size,), cells.Uniform(-0.5, 0.5))
        return super().parameters(input_size, hidden_size, bias) | {"start": start}

    def initial_state(self, hidden_size: int, params: cells.Params) -> cells.Hidden:
        return cells.Hidden(params["start"])


@dataclass(frozen=True)
class Constant(cells.LSTM):
    """Each component of the initial state is a constant of its own."""

    start: float = 0.25

    def initial_state(self, hidden_size: int, params: cells.Params) -> cells.LSTMState:
        like = params["weight_ih"]
        return cells.LSTMState(like.new_full((hidden_size,), self.start), like.new_full((hidden_size,), 2 * self.start))


STARTS: list[cells.Cell] = [Learned(), Constant()]
every_start = pytest.mark.parametrize("cell", STARTS, ids=str)
both_directions = pytest.mark.parametrize("bidirectional", [False, True])


# fixed parameters ----------------------------------------------------------------------------------------------------
def test_the_cells_of_users_pass_the_check() -> None:
    for cell in (*USERS, *STARTS):
        check_cell(cell)


def test_a_fixed_parameter_is_saved_and_moved_and_never_trained() -> None:
    layer = made(ECHO, num_layers=2, bidirectional=True)
    names = {
        f"{name}_l{k}{end}" for name in ("weight_ih", "weight_hh", "bias") for k in (0, 1) for end in ("", "_reverse")
    }
    assert list(layer.parameters()) == []
    assert {name for name, _ in layer.named_buffers()} == set(layer.state_dict()) == names
    assert all(tensor.dtype == torch.float32 for tensor in copy.deepcopy(layer).to(torch.float32).state_dict().values())
    other = made(ECHO, num_layers=2, bidirectional=True, seed=1)
    x = some(3, 6, 3)
    assert not torch.equal(other(x)[0], layer(x)[0])
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x)[0], layer(x)[0])


def test_what_reads_a_reservoir_is_trained_and_the_reservoir_is_not() -> None:
    torch.manual_seed(0)
    layer, head = nn.Recurrent(ECHO, 1, 40), torch.nn.Linear(40, 1)
    network = torch.nn.ModuleList([layer, head])
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = torch.sin(torch.arange(200) / 5)[None, :, None]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = (head(layer(x[:, :-1])[0]) - x[:, 1:]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


def test_a_gradient_goes_through_fixed_parameters_to_the_input() -> None:
    layer, x = made(ECHO), some(2, 5, 3).requires_grad_()
    (grad,) = torch.autograd.grad(layer(x, lengths=[5, 2])[0].sum(), [x])
    assert grad[0].ne(0).all() and grad[1, :2].ne(0).all() and grad[1, 2:].eq(0).all()


def test_the_reservoir_has_the_spectral_radius_of_its_option() -> None:
    for radius in (0.5, 0.99):
        layer = made(type(ECHO)(spectral_radius=radius), 3, 30)  # type: ignore[call-arg]
        weight = layer.get_buffer("weight_hh_l0")
        assert torch.linalg.eigvals(weight).abs().max().item() == pytest.approx(radius, abs=1e-12)


def test_the_same_seed_gives_the_same_fixed_parameters() -> None:
    ours, same, other = made(ECHO), made(ECHO), made(ECHO, seed=1)
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in ours.state_dict().items())
    assert not torch.equal(ours.get_buffer("weight_hh_l0"), other.get_buffer("weight_hh_l0"))
    before = ours.get_buffer("weight_hh_l0").clone()
    ours.reset_parameters()
    assert not torch.equal(ours.get_buffer("weight_hh_l0"), before)


# the initial state ---------------------------------------------------------------------------------------------------
def starting_at(layer: nn.Recurrent, B: int) -> nn.State:
    """The initial state worked out from the cell."""
    parts: dict[str, Tensor] = {}
    for name, part in random_state(layer, B).tensors().items():
        if isinstance(layer.cell, Constant):
            parts[name] = torch.full_like(part, layer.cell.start * (2 if name.startswith("c") else 1))
        else:
            parts[name] = layer.get_parameter(name.replace("h_", "start_")).detach().expand_as(part)
    return nn.State(parts)


@every_start
@both_directions
def test_a_layer_starts_at_the_initial_state_of_its_cell(cell: cells.Cell, bidirectional: bool) -> None:
    layer, x, lengths = made(cell, num_layers=2, bidirectional=bidirectional), some(4, 6, 3), [6, 0, 2, 4]
    expected = starting_at(layer, 4)
    for name, part in layer.initial_state(4).tensors().items():
        assert torch.equal(part, expected[name])
    for options in ({}, {"lengths": lengths}):
        y, state = layer(x, **options)
        y_given, state_given = layer(x, expected, **options)
        assert torch.equal(y, y_given)
        assert all(torch.equal(part, state_given[name]) for name, part in state.tensors().items())
        assert worst(y, layer(x, expected.map(torch.zeros_like), **options)[0]) > 1e-3, "it matters"
    _, state = layer(x, lengths=lengths)
    assert all(torch.equal(part[1], expected[name][1]) for name, part in state.tensors().items()), "no step, no change"


@every_start
@both_directions
@pytest.mark.parametrize("given", [False, True])
def test_a_sequence_that_is_reset_starts_there_anew(cell: cells.Cell, bidirectional: bool, given: bool) -> None:
    layer, x = made(cell, bidirectional=bidirectional), some(2, 7, 3)
    state = random_state(layer, 2) if given else None
    y, final = layer(x, state, reset=[(0, 3)])
    row = None if state is None else state.rows([0])
    fresh = layer.initial_state(1)
    forward = {name: part for name, part in (row or fresh).tensors().items() if not name.endswith("_reverse")}
    first, last = dict(fresh.tensors()) | forward, dict((row or fresh).tensors())
    last |= {name: part for name, part in fresh.tensors().items() if not name.endswith("_reverse")}
    pieces = layer(x[:1, :3], nn.State(first)), layer(x[:1, 3:], nn.State(last))
    assert worst(y[:1], torch.cat([piece for piece, _ in pieces], dim=1)) <= FEW
    for name, part in final.rows([0]).tensors().items():
        assert worst(part, pieces[0 if name.endswith("_reverse") else 1][1][name]) <= FEW


@every_start
def test_chunks_and_truncated_states_go_on_from_where_they_were(cell: cells.Cell) -> None:
    layer, x = made(cell, num_layers=2), some(3, 8, 3)
    whole, _ = layer(x)
    ys, state = [], None
    for chunk in x.split(3, dim=1):
        y, state = layer(chunk, state)
        ys.append(y)
        state = state.detach()
    assert worst(torch.cat(ys, dim=1), whole) <= FEW


@every_start
def test_a_state_is_reset_to_the_initial_state(cell: cells.Cell) -> None:
    layer = made(cell)
    state, initial = random_state(layer, 3), layer.initial_state(3)
    again = state.reset([1], initial)
    for name, part in again.tensors().items():
        assert torch.equal(part[1], initial[name][1]) and torch.equal(part[[0, 2]], state[name][[0, 2]])
    assert all(part[1].eq(0).all() for part in state.reset([1]).tensors().values())
    with pytest.raises(CallError, match="h_l0 has shape"):
        state.reset([1], layer.initial_state(2))


def test_a_learned_initial_state_is_learned() -> None:
    layer, x = made(Learned(), num_layers=2, bidirectional=True), some(4, 5, 3)
    y, _ = layer(x, lengths=[5, 1, 0, 3], reset=[(0, 2)])
    y.sum().backward()
    for name, parameter in layer.named_parameters():
        if name.startswith("start"):
            assert parameter.grad is not None and parameter.grad.ne(0).all()


@both_directions
def test_an_initial_state_is_traced_and_copied(bidirectional: bool) -> None:
    layer, x = made(Learned(), bidirectional=bidirectional), some(2, 4, 3)
    y, _ = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x)[0], y)
    exported = torch.export.export(layer, (x,)).module()
    assert worst(exported(x)[0], y) <= FEW


def test_layers_of_different_cells_start_each_in_its_own_way() -> None:
    layer = nn.Recurrent([cells.GRU(), Constant()], 3, 4, dtype=torch.float64)
    state = layer.initial_state(2)
    assert state["h_l0"].eq(0).all() and state["h_l1"].eq(0.25).all() and state["c_l1"].eq(0.5).all()


def test_learned_state_with_an_initial_state_of_the_cell_is_an_error() -> None:
    with pytest.raises(CallError, match="learned_state is True, and learned has an initial state of its own"):
        made(Learned(), learned_state=True)


def test_a_stepper_reports_that_there_is_no_kernel() -> None:
    with pytest.raises(BackendError, match=r"native has kernels for rnn, lstm, gru, .*, not for constant"):
        nn.Stepper(made(Constant()))


def test_a_subclass_that_starts_elsewhere_is_not_run_as_the_cell_it_comes_from() -> None:
    """The direct way to the kernel knows zeros alone; a layer of the subclass never takes it."""
    layer = nn.Recurrent(Constant(), 3, 4)
    plain: Any = nn.Recurrent("lstm", 3, 4)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 1, 3)
    with torch.no_grad():
        assert worst(layer(x)[0], plain(x, layer.initial_state(2))[0]) < 1e-6
        assert worst(layer(x)[0], plain(x)[0]) > 1e-3
