"""Layers: the laws over every cell and backend, and torch.nn with the same weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cells_registry import Leaky, can_run, every_cell, random_call, worst
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from recurra import cells, nn, ops
from recurra.errors import BackendError, CallError

EPS = torch.finfo(torch.float64).eps
FEW = 64 * EPS  # sums of some tens of terms of size one, in another order


def layers(cell: cells.Cell, **options: Any) -> list[nn.Recurrent]:
    """The same deep layer once for every backend that can run the cell."""
    torch.manual_seed(0)
    options = {"num_layers": 2, "bidirectional": True, "dtype": torch.float64} | options
    layer = nn.Recurrent(cell, 3, 5, **options)
    made = []
    for backend in can_run(random_call(cell, (1, 1, 1, 1))):
        made.append(copy.deepcopy(layer))
        made[-1].backend = backend.name
    return made


def random_state(layer: nn.Recurrent, B: int) -> nn.State:
    torch.manual_seed(1)
    return layer.initial_state(B).map(lambda part: torch.rand_like(part) - 0.5)


def far(a: nn.State, b: nn.State) -> float:
    return max(worst(part, b[name]) for name, part in a.tensors().items())


@every_cell
@pytest.mark.parametrize("given", [False, True])
def test_results_do_not_depend_on_padding_and_order(cell: cells.Cell, given: bool) -> None:
    x, lengths = torch.randn(5, 8, 3, dtype=torch.float64), torch.tensor([8, 0, 3, 1, 5])
    for layer in layers(cell):
        first = random_state(layer, 5) if given else None
        y, last = layer(x, first, lengths=lengths)
        order = torch.tensor([3, 0, 4, 1, 2])
        y_other, last_other = layer(x[order], first and first.rows(order), lengths=lengths[order])
        assert worst(y_other, y[order]) <= FEW
        assert far(last_other, last.rows(order)) <= FEW
        for row, length in enumerate(lengths.tolist()):
            if length == 0:
                kept = first if first is not None else layer.initial_state(5)
                assert far(last.rows([row]), kept.rows([row])) == 0, "an empty row keeps its first state"
                continue
            y1, last1 = layer(x[row : row + 1, :length], first and first.rows([row]))
            assert worst(y[row : row + 1, :length], y1) <= FEW
            assert y[row, length:].eq(0).all()
            assert far(last.rows([row]), last1) <= FEW


@every_cell
def test_chunks_equal_the_whole_sequence(cell: cells.Cell) -> None:
    x, lengths = torch.randn(4, 11, 3, dtype=torch.float64), torch.tensor([11, 0, 4, 7])
    for layer in layers(cell, bidirectional=False):
        for live in (None, lengths):
            y, last = layer(x, random_state(layer, 4), lengths=live)
            state, ys, t = random_state(layer, 4), [], 0
            for size in (1, 4, 1, 5):
                left = None if live is None else (live - t).clamp(0, size)
                piece, state = layer(x[:, t : t + size], state, lengths=left)
                ys.append(piece)
                t += size
            assert worst(torch.cat(ys, 1), y) <= FEW
            assert far(state, last) <= FEW


@every_cell
def test_back_ends_agree_in_every_gradient(cell: cells.Cell) -> None:
    x, lengths = torch.randn(4, 9, 3, dtype=torch.float64), torch.tensor([9, 0, 4, 1])
    grads = []
    for layer in layers(cell):
        with ops.watch() as ran:
            inputs = [x.clone().requires_grad_(), *layer.parameters()]
            y, last = layer(inputs[0], random_state(layer, 4), lengths=lengths)
        assert ran == [layer.backend] * 2
        grads.append(torch.autograd.grad(y.cos().sum() + sum(p.sin().sum() for p in last.tensors().values()), inputs))
    for other in grads[1:]:
        assert all(worst(a, b) <= FEW * max(1.0, b.abs().max().item()) for a, b in zip(grads[0], other, strict=True))


def pair(name: str, **options: Any) -> tuple[Any, Any]:
    made = []
    for home in (torch.nn, nn):
        torch.manual_seed(3)
        made.append(getattr(home, name)(4, 6, **options))
    return made[0], made[1]


DROPINS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 3}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False, "bidirectional": True}),
    ("GRU", {"num_layers": 2, "batch_first": True, "dtype": torch.float64}),
]
every_dropin = pytest.mark.parametrize(("name", "options"), DROPINS, ids=str)


def flat(result: Any) -> list[Tensor]:
    """All tensors of torch's result, in order."""
    y, state = result
    return [y.data if isinstance(y, PackedSequence) else y, *(state if isinstance(state, tuple) else (state,))]


def first_state(name: str, theirs: Any, B: int | None) -> Any:
    shape = (theirs.num_layers * (2 if theirs.bidirectional else 1), *(() if B is None else (B,)), 6)
    h, c = torch.rand(2, *shape, dtype=theirs.weight_ih_l0.dtype)
    return (h, c) if name == "LSTM" else h


@every_dropin
def test_dropin_equals_torch(name: str, options: dict[str, Any]) -> None:
    theirs, ours = pair(name, **options)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True)), "the same seed"
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    dtype = theirs.weight_ih_l0.dtype
    for shape, B in (((5, 3, 4), 5 if theirs.batch_first else 3), ((5, 4), None)):
        x = torch.randn(shape, dtype=dtype)
        for hx in (None, first_state(name, theirs, B)):
            results = [layer(x, hx) for layer in (theirs, ours)]
            assert type(results[0][1]) is type(results[1][1])
            grads = []
            for layer, result in zip((theirs, ours), results, strict=True):
                grads.append(torch.autograd.grad(sum(t.cos().sum() for t in flat(result)), list(layer.parameters())))
            for a, b in [*zip(*map(flat, results), strict=True), *zip(*grads, strict=True)]:
                # The same kernels on the same numbers, layer by layer instead of all at once.
                assert worst(a, b) <= 16 * torch.finfo(dtype).eps * max(1.0, a.abs().max().item())


@every_dropin
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_dropin_accepts_a_packed_sequence(name: str, options: dict[str, Any], enforce_sorted: bool) -> None:
    theirs, ours = pair(name, **options)
    lengths = torch.tensor([5, 4, 1] if enforce_sorted else [1, 5, 4])
    x = torch.randn(3, 5, 4, dtype=theirs.weight_ih_l0.dtype)
    for hx in (None, first_state(name, theirs, 3)):
        grads, results = [], []
        for layer in (theirs, ours):
            leaf = x.clone().requires_grad_()
            packed = pack_padded_sequence(leaf, lengths, batch_first=True, enforce_sorted=enforce_sorted)
            results.append(layer(packed, hx))
            grads.append(
                torch.autograd.grad(sum(t.cos().sum() for t in flat(results[-1])), [leaf, *layer.parameters()])
            )
        a, b = results[0][0], results[1][0]
        assert isinstance(b, PackedSequence)
        assert torch.equal(a.batch_sizes, b.batch_sizes)
        assert enforce_sorted or torch.equal(a.unsorted_indices, b.unsorted_indices)
        for a, b in [*zip(*map(flat, results), strict=True), *zip(*grads, strict=True)]:
            assert worst(a, b) <= 16 * torch.finfo(x.dtype).eps * max(1.0, a.abs().max().item())


@every_dropin
def test_dropin_lengths_equal_single_sequences(name: str, options: dict[str, Any]) -> None:
    _, ours = pair(name, **options)
    x, lengths = torch.randn(3, 5, 4, dtype=ours.weight_ih_l0.dtype), [5, 2, 4]
    y, *state = flat(ours(x if ours.batch_first else x.transpose(0, 1), lengths=lengths))
    y = y if ours.batch_first else y.transpose(0, 1)
    for row, length in enumerate(lengths):
        y1, *state1 = flat(ours(x[row, :length]))
        tolerance = 16 * torch.finfo(x.dtype).eps
        assert worst(y[row, :length], y1) <= tolerance
        assert all(worst(a[:, row], b) <= tolerance for a, b in zip(state, state1, strict=True))


@pytest.mark.parametrize("options", [{}, {"bias": False}])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_single_steps_equal_torch(name: str, options: dict[str, Any]) -> None:
    theirs, ours = pair(name, **options, dtype=torch.float64)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    for shape in ((), (3,)):
        x, h, c = torch.randn(*shape, 4).double(), torch.rand(*shape, 6).double(), torch.rand(*shape, 6).double()
        for hx in (None, (h, c) if name == "LSTMCell" else h):
            a, b = theirs(x, hx), ours(x, hx)
            assert type(a) is type(b)
            for one, other in zip(a, b, strict=True):
                assert worst(one, other) <= 16 * EPS
    if name == "RNNCell":
        relu = nn.RNNCell(4, 6, nonlinearity="relu", dtype=torch.float64)
        theirs = torch.nn.RNNCell(4, 6, nonlinearity="relu", dtype=torch.float64)
        theirs.load_state_dict(relu.state_dict())
        assert worst(theirs(x), relu(x)) <= 16 * EPS


def test_dropout_acts_between_layers_while_training_only() -> None:
    layer = nn.Recurrent("lstm", 3, 8, num_layers=2, dropout=1.0)
    x = torch.randn(2, 4, 3)
    dry, _ = layer(x)
    second = nn.Recurrent("lstm", 8, 8)
    second.load_state_dict({name.replace("l1", "l0"): p for name, p in layer.state_dict().items() if "l1" in name})
    assert torch.equal(dry, second(torch.zeros(2, 4, 8))[0])
    layer.eval()
    assert not torch.equal(dry, layer(x)[0])


def test_layers_copy_pickle_and_reset() -> None:
    layer = nn.Recurrent(Leaky(0.2), 3, 4, bidirectional=True)
    other = copy.deepcopy(layer)
    before = [p.clone() for p in other.parameters()]
    torch.manual_seed(9)
    layer.reset_parameters()
    torch.manual_seed(9)
    other.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), other.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda l, x: l(x[0]), r"x has shape \(3, 2\); expected \(B, T, I\) with I = 2"),
        (lambda l, x: l(x[..., :1]), "with I = 2"),
        (lambda l, x: l(x.double()), "x is torch.float64 and the layer is torch.float32"),
        (lambda l, x: l(x, lengths=torch.tensor([1.0, 2.0])), "lengths is torch.float32; expected integers"),
        (lambda l, x: l(x, lengths=[True, False]), "lengths is torch.bool"),
        (lambda l, x: l(x, lengths=[1, 2, 3]), r"lengths has shape \(3,\); expected \(B,\) with B = 2"),
        (lambda l, x: l(x, lengths=[1, 4]), "lengths has 4 in row 1; expected 0 <= length <= T = 3"),
        (lambda l, x: l(x, lengths=[-1, 3]), "lengths has -1 in row 0"),
        (lambda l, x: l(x, l.initial_state(3)), r"h_l0 has shape \(3, 4\); expected \(2, 4\)"),
        (lambda l, x: l(x, lengths="12"), "lengths is '12'; expected integers"),
        (lambda l, x: l([1.0]), "x is a list; expected a tensor"),
        (lambda l, x: l(x, x[:, 0]), "state is a Tensor; expected a State"),
        (lambda l, x: l(x, l.initial_state(2).to(torch.float64)), "state: h_l0 is torch.float64 and the layer is"),
        (lambda l, x: l.plan(x, [1, 4]), "lengths has 4 in row 1; expected 0 <= length <= T = 3"),
        (lambda l, x: l(x, nn.State({"h": x[:, 0]})), "state has the components h; this layer expects h_l0"),
    ],
)
def test_an_invalid_call_reports_what_was_expected(call: Any, says: str) -> None:
    with pytest.raises(CallError, match=says):
        call(nn.Recurrent("gru", 2, 4), torch.randn(2, 3, 2))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: nn.Recurrent("lsmt", 2, 4), CallError, "did you mean 'lstm'"),
        (lambda: nn.Recurrent("lstm", 2, 0), CallError, "hidden_size is 0"),
        (lambda: nn.Recurrent("lstm", 2, 4, dropout=1.5, num_layers=2), CallError, "expected a probability"),
        (lambda: nn.Recurrent("lstm", 2, 4, dropout=0.5), CallError, "acts between layers"),
        (lambda: nn.Recurrent("lstm", 2, 4, backend="tosch"), BackendError, "did you mean 'torch'"),
        (
            lambda: nn.LSTM(2, 4, proj_size=4),
            CallError,
            "proj_size is 4; expected an integer above 0 and below hidden_size = 4",
        ),
        (lambda: nn.RNN(2, 4, nonlinearity="gelu"), CallError, "expected 'tanh' or 'relu'"),
        (lambda: nn.GRU(2, 4)(torch.randn(3, 2, 2), torch.zeros(1, 3, 4)), CallError, r"hx: h has shape \(1, 3, 4\)"),
        (
            lambda: nn.GRU(2, 4)(torch.randn(3, 2), lengths=[3]),
            CallError,
            "lengths is not supported for an input without a batch axis",
        ),
        (lambda: nn.LSTMCell(2, 4)(torch.randn(3, 3)), CallError, "with I = 2"),
    ],
)
def test_an_invalid_layer_reports_what_was_expected(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


class Bent(Leaky):
    def step(self, projected: Tensor, state: cells.Hidden, params: cells.Params) -> cells.Hidden:
        return cells.Hidden(super().step(projected, state, params).h.mean(0, keepdim=True))


class Dropping(cells.LSTM):
    def step(self, projected: Tensor, state: Any, params: cells.Params) -> Any:
        return super().step(projected, state, params)[:1]


class Listed(Leaky):
    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> Any:
        return list(super().parameters(input_size, hidden_size, bias).values())


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (Bent(), r"Bent\(leak=0.3\): h changed its shape: \(1, 4\) came out of step, \(2, 4\) went in"),
        (Dropping(), r"Dropping\(\): step returned 1 component; expected LSTMState\(h, c\)"),
        (Listed(), r"Listed\(leak=0.3\): parameters returned a list; expected a dict from name to Parameter"),
    ],
    ids=["shape", "part", "parameters"],
)
def test_an_invalid_cell_reports_what_was_expected(cell: cells.Cell, says: str) -> None:
    with pytest.raises(CallError, match=says):
        nn.Recurrent(cell, 2, 4)(torch.randn(2, 3, 2))


def test_dropout_of_one_layer_warns_as_torch_does() -> None:
    with pytest.warns(UserWarning, match="has no effect"):
        nn.LSTM(2, 4, dropout=0.5)
