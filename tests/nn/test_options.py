"""What a layer does around its cells: every option shown to do what it says, and what the plan tells."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from cells_registry import CELLS, Leaky, every_cell, random_call, worst
from layer_helpers import FEW, made, random_state, some
from torch import Tensor

from recurra import cells, nn, ops
from recurra.errors import BackendError, CallError
from recurra.nn.options import RecurrentOptions
from recurra.ops import torch_rnn
from recurra.ops.native import loader


# options on each step ------------------------------------------------------------------------------------------------
def relu_loop(**options: Any) -> nn.Recurrent:
    """h' = relu(x + U h) with U = 1: without input, h is multiplied by what an option multiplies it with."""
    layer = made(cells.RNN("relu"), 4, 4, bias=False, **options)
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.startswith("weight"):
                weight.copy_(torch.eye(4))
    return layer


def test_recurrent_dropout_is_one_mask_for_all_time_steps() -> None:
    layer = relu_loop(recurrent_dropout=0.25)
    x = torch.zeros(50, 6, 4, dtype=torch.float64)
    x[:, 0] = 1
    y, _ = layer(x)
    masks = y[:, 1]  # what h, all ones after the first step, was multiplied with
    assert set(masks.unique().tolist()) == {0.0, 1 / 0.75}
    for t in range(1, 6):
        torch.testing.assert_close(y[:, t], masks**t, rtol=1e-12, atol=0)
    assert 0.65 < (masks > 0).double().mean() < 0.85, "200 draws of probability 3/4"
    assert len({tuple(row) for row in masks.tolist()}) > 5, "each row has its own"
    assert layer.eval()(x)[0].eq(1).all(), "nothing is dropped in evaluation"


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.gates], ids=str)
def test_recurrent_dropout_acts_where_gates_read_h_and_nowhere_else(cell: cells.Cell) -> None:
    """What carries h on, as z * h does in a GRU, stays whole: without recurrent weights nothing is left to drop."""
    layer = made(cell, recurrent_dropout=0.5, bidirectional=True)
    x, state = some(5, 6, 3), random_state(layer, 5)
    plain = copy.deepcopy(layer).eval()
    assert worst(layer(x, state)[0], plain(x, state)[0]) > 0.01
    for name, weight in [*layer.named_parameters(), *plain.named_parameters()]:
        if name.startswith("weight_hh"):
            weight.data.zero_()
    assert worst(layer(x, state)[0], plain(x, state)[0]) <= FEW


def test_recurrent_dropout_is_as_if_each_row_had_its_own_recurrent_weights() -> None:
    """Gal and Ghahramani: the columns of U that belong to the dropped units are zero, for a row and all its steps."""
    for cell in (cells.LSTM(), cells.GRU(), cells.RNN()):
        call = random_call(cell, (3, 5, 2, 4), lengths="none", bidirectional=False)
        mask = torch.tensor([[2.0, 0, 2, 0], [0, 2, 2, 2], [2, 2, 0, 0]], dtype=torch.float64)
        y, *last = ops.BACKENDS[-1].run(call._replace(masks=[mask, *[mask.new_empty(0)] * len(cell.states)]))
        for row in range(3):
            weights = list(call.weights)
            weights[1] = weights[1] * mask[row]
            alone = call._replace(x=call.x[row : row + 1], state=[part[row : row + 1] for part in call.state])
            y1, *last1 = ops.BACKENDS[-1].run(alone._replace(weights=weights))
            assert worst(y[row : row + 1], y1) <= FEW
            assert all(worst(a[row : row + 1], b) <= FEW for a, b in zip(last, last1, strict=True))


@every_cell
def test_zoneout_keeps_previous_values_and_uses_expected_values_in_evaluation(cell: cells.Cell) -> None:
    layer = made(cell, H=20, zoneout=0.3)
    plain = made(cell, H=20)
    x, old = some(30, 1, 3), random_state(layer, 30)
    _, new = plain(x, old)
    _, kept = layer(x, old)
    for name, part in kept.tensors().items():
        stays = part == old[name]
        assert (stays | ((part - new[name]).abs() <= FEW)).all()
        assert 0.2 < stays.double().mean() < 0.4, "600 draws of probability 0.3"
    layer.eval()
    _, expected = layer(x, old)
    for name, part in expected.tensors().items():
        assert worst(part, 0.3 * old[name] + 0.7 * new[name]) <= FEW
    layer.train()
    y, _ = layer(x.expand(-1, 8, -1))
    stays = (y[:, 1:] == y[:, :-1]).double().mean((0, 2))
    assert (stays > 0).all()
    assert not torch.equal(y[:, 1] == y[:, 0], y[:, 2] == y[:, 1]), "drawn anew at each step"


def test_zoneout_of_the_components_of_a_state() -> None:
    layer, plain = made(H=20, zoneout={"c": 0.5}), made(H=20)
    x, old = some(20, 1, 3), random_state(layer, 20)
    (_, new), (_, kept) = plain(x, old), layer(x, old)
    assert worst(kept["h_l0"], new["h_l0"]) <= FEW
    assert 0.4 < (kept["c_l0"] == old["c_l0"]).double().mean() < 0.6


# options of the parameters -------------------------------------------------------------------------------------------
def test_weight_drop_drops_weights_once_a_call() -> None:
    layer = relu_loop(weight_drop=0.5)
    whole = torch.rand(4, 4, dtype=torch.float64) + 0.5
    layer.weight_hh_l0.data.copy_(whole)
    first = nn.State({"h_l0": torch.eye(4, dtype=torch.float64)})  # row j shows column j of the recurrent weights
    x, seen = torch.zeros(4, 2, 4, dtype=torch.float64), torch.zeros(4, 4, dtype=torch.bool)
    for seed in range(20):
        torch.manual_seed(seed)
        y, _ = layer(x, first)
        used = y[:, 0].mT
        assert (used.eq(0) | (used - 2 * whole).abs().le(FEW)).all(), "dropped, or scaled by 1 / (1 - p)"
        assert worst(y[:, 1], y[:, 0] @ used.mT) <= FEW, "the same weights at the next step and in all rows"
        (grad,) = torch.autograd.grad(y[:, 0].sum(), layer.weight_hh_l0)
        assert torch.equal(grad, used.gt(0) * 2.0), "the parameter itself gets the gradient"
        seen |= used.gt(0)
    assert seen.all(), "in time every weight is used"
    assert torch.equal(layer.weight_hh_l0, whole), "the parameter stays whole"
    assert worst(layer.eval()(x, first)[0][:, 0].mT, whole) == 0
    assert list(layer.state_dict()) == list(relu_loop().state_dict())


def test_forget_bias_is_a_value_at_initialisation() -> None:
    layer, plain = made(num_layers=2, bidirectional=True, forget_bias=1.5), made(num_layers=2, bidirectional=True)
    for (name, a), (_, b) in zip(layer.named_parameters(), plain.named_parameters(), strict=True):
        if not name.startswith("bias"):
            assert torch.equal(a, b)
            continue
        assert a[4:8].eq(1.5 if name.startswith("bias_ih") else 0.0).all()
        assert torch.equal(a[:4], b[:4])
        assert torch.equal(a[8:], b[8:])
    layer.bias_ih_l0.data.zero_()
    assert layer.bias_ih_l0.requires_grad
    layer.reset_parameters()
    assert layer.bias_ih_l0[4:8].eq(1.5).all()
    assert nn.LSTM(2, 3, forget_bias=1.0).bias_ih_l0[3:6].eq(1).all()


@every_cell
def test_the_initial_state_can_be_learned(cell: cells.Cell) -> None:
    layer, plain = (made(cell, num_layers=2, bidirectional=True, learned_state=on) for on in (True, False))
    x = some(4, 5, 3)
    lengths = [5, 0, 3, 1]
    assert worst(layer(x, lengths=lengths)[0], plain(x, lengths=lengths)[0]) <= FEW, "zero at first"
    names = [name for name in layer.state_dict() if name not in plain.state_dict()]
    assert names == [f"{part}0_l{k}{end}" for k in (0, 1) for end in ("", "_reverse") for part in cell.states]
    for name in names:
        getattr(layer, name).data.copy_(some(4, seed=len(name)) / 3)
    given = layer.initial_state(4)
    assert all(torch.equal(part, getattr(layer, name.replace("_l", "0_l"))[None].expand(4, -1))
               for name, part in given.tensors().items())  # fmt: skip
    y, last = layer(x, lengths=lengths)
    z, last_given = plain(x, given, lengths=lengths)
    assert worst(y, z) <= FEW
    assert all(worst(part, last_given[name]) <= FEW for name, part in last.tensors().items())
    assert all(grad.abs().max() > 0 for grad in torch.autograd.grad(y.sum(), [getattr(layer, name) for name in names]))
    zero = given.map(torch.zeros_like)
    assert worst(layer(x, zero, lengths=lengths)[0], plain(x, lengths=lengths)[0]) <= FEW, (
        "one that is given goes before"
    )


@every_cell
def test_a_reset_sequence_starts_from_the_learned_state(cell: cells.Cell) -> None:
    layer = made(cell, learned_state=True)
    for part in cell.states:
        getattr(layer, f"{part}0_l0").data.copy_(some(4) / 3)
    x, given = some(2, 6, 3), random_state(layer, 2)
    for first in (None, given):
        y, _ = layer(x, first, reset=[(0, 2)])
        assert worst(y[:1, :2], layer(x[:1, :2], first and first.rows([0]))[0]) <= FEW
        assert worst(y[:1, 2:], layer(x[:1, 2:])[0]) <= FEW
        assert worst(y[1:], layer(x[1:], first and first.rows([1]))[0]) <= FEW


# options between directions and layers -------------------------------------------------------------------------------
def alone(layer: nn.Recurrent, k: int) -> nn.Recurrent:
    """Layer k of a deep one, by itself and without any option."""
    I, H = layer._input_size(k), layer.hidden_sizes[k]
    single = nn.Recurrent(layer.cells[k], I, H, bidirectional=layer.bidirectional, dtype=torch.float64)
    single.load_state_dict({n.replace(f"_l{k}", "_l0"): p for n, p in layer.state_dict().items() if f"_l{k}" in n})
    return single


@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "mul"])
def test_directions_are_merged(merge: str) -> None:
    layer = made(num_layers=2, bidirectional=True, merge=merge)
    x, lengths = some(3, 6, 3), [6, 2, 0]
    y = x
    for k in range(2):
        ahead, back = alone(layer, k)(y, lengths=lengths)[0].chunk(2, dim=-1)
        summed = {"sum": ahead + back, "mean": (ahead + back) / 2, "mul": ahead * back}
        y = torch.cat([ahead, back], -1) if merge == "concat" else summed[merge]
    assert worst(layer(x, lengths=lengths)[0], y) <= FEW
    assert layer.output_size == y.shape[2] == (8 if merge == "concat" else 4)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_residual_and_norm_between_layers(residual: bool, norm: bool) -> None:
    layer = made(num_layers=3, bidirectional=True, residual=residual, layer_norm=norm)
    for name, p in layer.named_parameters():
        if name.startswith("norms"):
            p.data.copy_(some(*p.shape) + 2)
    x, lengths = some(3, 6, 3), torch.tensor([6, 2, 0])
    live = (torch.arange(6) < lengths[:, None])[:, :, None]
    given = x
    for k in range(3):
        y, _ = alone(layer, k)(given, lengths=lengths)
        y = given + y if residual and k else y
        if norm and k < 2:
            centred = y - y.mean(-1, keepdim=True)
            scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
            y = torch.where(live, scaled * getattr(layer.norms, str(k)).weight + getattr(layer.norms, str(k)).bias, 0)
        given = y
    assert worst(layer(x, lengths=lengths)[0], given) <= 16 * FEW
    assert layer(x, lengths=lengths)[0].masked_fill(live, 0).eq(0).all(), "zero past each row's length"


def test_each_layer_may_have_its_width_and_cell() -> None:
    layer = made(["lstm", Leaky, cells.GRU()], H=[5, 2, 4], bidirectional=True, layer_norm=True)
    assert layer.hidden_sizes == (5, 2, 4)
    assert [layer._input_size(k) for k in range(3)] == [3, 10, 4]
    x, state = some(2, 4, 3), random_state(layer, 2)
    assert [tuple(part.shape) for part in state.tensors().values()] == [(2, 5)] * 4 + [(2, 2)] * 2 + [(2, 4)] * 2
    y, last = layer(x, state)
    given, ends = x, []
    for k in range(3):
        own = {n.replace(f"_l{k}", "_l0"): part for n, part in state.tensors().items() if f"_l{k}" in n}
        given, end = alone(layer, k)(given, nn.State(own))
        given = layer.norms[k](given) if k < 2 else given
        ends += end.tensors().values()
    assert worst(y, given) <= FEW
    assert all(worst(a, b) <= FEW for a, b in zip(last.tensors().values(), ends, strict=True))
    other = copy.deepcopy(layer)
    assert torch.equal(other(x, state)[0], y)


# what is refused, and what is told -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: made(zoneuot=0.1), "zoneuot is 0.1, and this layer has no such argument; did you mean 'zoneout'"),
        (lambda: nn.LSTM(3, 4, layer_norm=True), "layer_norm is True, and this layer has no such argument"),
        (lambda: made(zoneout=1.0), "zoneout is 1.0; expected a probability, 0 to 1, 1 excluded"),
        (lambda: made(zoneout={"h": -0.1}), "zoneout of h is -0.1; expected a probability"),
        (lambda: made(zoneout={"m": 0.1}), "zoneout has the key 'm'; expected components of the state, c, h"),
        (lambda: made(recurrent_dropout="0.1"), "recurrent_dropout is '0.1'; expected a probability"),
        (lambda: made(Leaky, recurrent_dropout=0.1), "recurrent_dropout is 0.1, and leaky declares no gates"),
        (lambda: made(weight_drop=-1), "weight_drop is -1; expected a probability"),
        (lambda: made(Leaky, weight_drop=0.1), "weight_drop is 0.1, and leaky has no parameter weight_hh"),
        (lambda: made("gru", forget_bias=1.0), "forget_bias is 1.0, and gru has no forget gate"),
        (lambda: made(bias=False, forget_bias=1.0), "forget_bias is 1.0, and lstm has no bias_ih"),
        (lambda: made(forget_bias="one"), "forget_bias is 'one'; expected a finite number"),
        (lambda: made(learned_state=1), "learned_state is 1; expected True or False"),
        (lambda: made(merge="sum"), "merge is 'sum', which requires two directions, and bidirectional is False"),
        (lambda: made(merge="max", bidirectional=True), "merge is 'max'; expected one of concat, sum, mean, mul"),
        (lambda: made(residual=True), "residual is True, which acts between layers, and num_layers is 1"),
        (
            lambda: made(H=[4, 5], residual=True),
            "residual is True, and layer 1 has 4 input features and 5 output features; expected equal numbers",
        ),
        (lambda: made(layer_norm=True), "layer_norm is True, which acts between layers"),
        (
            lambda: made(["lstm", "gru"], H=[4, 5, 6]),
            "the number of layers is 2 by cell and 3 by hidden_size; expected",
        ),
        (lambda: made(H=[4, 5], num_layers=3), "the number of layers is 2 by hidden_size and 3 by num_layers"),
        (lambda: made(H=[]), "the number of layers is 0 by hidden_size; expected one number, at least 1"),
        (lambda: made(H=[4, 0]), "hidden_size is 0; expected an integer of at least 1"),
    ],
)
def test_an_invalid_option_reports_what_was_expected(make: Any, says: str) -> None:
    with pytest.raises(CallError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_cell_whose_step_does_not_call_gates_of_is_reported() -> None:
    class Named(Leaky):
        gates = ("u",)

        def gates_of(self, projected: Tensor, state: cells.Hidden, params: cells.Params) -> dict[str, Tensor]:
            return {"u": projected}

    with pytest.raises(CallError, match="whose step does not begin with gates_of"):
        made(Named, recurrent_dropout=0.1)(some(2, 3, 3))


BEST = "native" if loader.load()[0] is not None else "reference"


def test_the_plan_reports_which_back_ends_support_masks() -> None:
    x = some(2, 3, 3)
    for options in ({"recurrent_dropout": 0.5}, {"zoneout": 0.5}):
        layer = made(**options)
        torch.manual_seed(6)
        plan, after = layer.plan(x), torch.rand(1)
        torch.manual_seed(6)
        assert torch.equal(after, torch.rand(1)), "a plan draws nothing"
        assert plan.runs == BEST
        assert "torch does not support the masks of recurrent_dropout and zoneout" in plan.others["torch"]
        with ops.watch() as ran:
            layer(x)
        assert ran == [BEST]
        with pytest.raises(BackendError, match="does not support the masks"):
            made(**options, backend="torch")(x)
    assert made(recurrent_dropout=0.5).eval().plan(x).runs == "torch", "nothing is dropped in evaluation"
    assert made(zoneout=0.5).eval().plan(x).runs == BEST, "the expected state is made step by step"
    for free in ({"weight_drop": 0.5}, {"learned_state": True}, {"forget_bias": 1.0}):
        assert made(**free).plan(x).runs == "torch"


# extreme lengths -----------------------------------------------------------------------------------------------------
EXTREME = {
    "one long row": [4000] + [50] * 63,
    "few long rows": [4000] + [500] * 7 + [50] * 56,
    "halves": [4096 >> n for n in range(9) for _ in range(4)],
    "empty rows too": [700, *[0] * 30, 30],
    "a ramp": list(range(40, 2040, 40)),
}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", EXTREME.values(), ids=list(EXTREME))
def test_computed_time_steps_are_close_to_the_valid_ones_for_extreme_lengths(
    lengths: list[int], bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts the time steps that torch's kernels compute: at most 1.3 times the valid ones, and as many as planned."""
    counted = []

    def kernel(call: ops.Call, x: Tensor, weights: Any) -> Any:
        counted.append(x.shape[0] * x.shape[1] * call.directions)
        return real(call, x, weights)

    real = torch_rnn._kernel
    monkeypatch.setattr(torch_rnn, "_kernel", kernel)
    layer = nn.Recurrent("gru", 1, 2, num_layers=2, bidirectional=bidirectional, backend="torch")
    x = torch.randn(len(lengths), max(lengths), 1)
    plan = layer.plan(x, lengths)
    with torch.no_grad():
        layer(x, lengths=lengths)
    valid = sum(lengths) * 2 * (2 if bidirectional else 1)
    assert sum(counted) <= 1.3 * valid
    assert (plan.computed, plan.valid) == (sum(counted), valid)
    assert f"computes {plan.computed:,} time steps of all sequences, of which {valid:,} are valid" in str(plan)


def test_the_plan_of_layers_that_differ() -> None:
    plan = made(["lstm", Leaky], H=[4, 5]).plan(some(2, 3, 3))
    assert [layer.runs for layer in plan.layers] == ["torch", "reference"]
    assert (plan.cell, plan.runs, plan.computed) == ("lstm, leaky", "torch, reference", 12)
    assert "layer 1: leaky: backend 'reference' runs" in str(plan)


def test_the_page_on_layers_runs_and_lists_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in page.split("```python\n")[1:]:
        exec(block.split("```")[0], names)
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    for option in RecurrentOptions.__optional_keys__:
        assert f"| `{option}=" in rows
