"""Drop-ins in the hands of other code: copies, pickles, hooks, torch.func, graphs, second derivatives, projections."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import pytest
import torch
from cells_registry import assert_as_exact, can_run, errors_of_the_loop, random_call, values_and_grads, worst
from torch import Tensor
from torch.export import Dim

from recurra import cells, nn, ops
from recurra.cells.lstmp import LSTMP
from recurra.errors import CallError

EPS = torch.finfo(torch.float64).eps
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {"nonlinearity": "relu", "bidirectional": True}),
    ("LSTM", {"num_layers": 2, "batch_first": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2}),
    ("GRU", {"bias": False, "batch_first": True}),
]
every_dropin = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
no_onednn = pytest.mark.filterwarnings("ignore:LSTM with projections")  # what torch.nn says, ours does not


def pair(name: str, options: dict[str, Any]) -> list[Any]:
    made = []
    for home in (torch.nn, nn):
        torch.manual_seed(3)
        made.append(getattr(home, name)(3, 4, **options, dtype=torch.float64))
    return made


def x_for(layer: Any, B: int = 2, T: int = 5) -> Tensor:
    torch.manual_seed(4)
    x = torch.randn(B, T, 3, dtype=torch.float64)
    return x if layer.batch_first else x.transpose(0, 1)


@every_dropin
def test_copies_and_pickles_are_the_layer(name: str, options: dict[str, Any]) -> None:
    _, ours = pair(name, options)
    x = x_for(ours)
    file = io.BytesIO()
    torch.save(ours, file)
    file.seek(0)
    for other in (copy.deepcopy(ours), torch.load(file, weights_only=False)):
        assert torch.equal(ours(x)[0], other(x)[0])
        assert repr(other) == repr(ours)
        assert other.weight_ih_l0 is not ours.weight_ih_l0
        torch.manual_seed(3)
        other.reset_parameters()
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


@every_dropin
def test_attributes_and_keys_are_those_of_torch(name: str, options: dict[str, Any]) -> None:
    theirs, ours = pair(name, options)
    for attribute in ("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
                      "bidirectional", "proj_size"):  # fmt: skip
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert [[w.shape for w in row] for row in ours.all_weights] == [[w.shape for w in r] for r in theirs.all_weights]
    seen = []
    ours.register_state_dict_post_hook(lambda module, state, prefix, meta: seen.append(prefix))
    ours.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys.missing_keys))
    outer = torch.nn.Sequential(ours)
    outer.load_state_dict({f"0.{key}": value + 1 for key, value in theirs.state_dict().items()})
    assert torch.equal(outer.state_dict()["0.weight_hh_l0"], theirs.weight_hh_l0 + 1)
    assert seen == [[], "0."]
    with pytest.raises(RuntimeError, match="size mismatch"):
        ours.load_state_dict({key: value[:1] for key, value in theirs.state_dict().items()})


@no_onednn
@every_dropin
def test_torch_func(name: str, options: dict[str, Any]) -> None:
    """Values and gradients through functional_call and grad, for parameters that are not the module's own."""
    grads = []
    for layer in pair(name, options):
        x = x_for(layer)
        other = {key: p.detach() * 0.5 for key, p in layer.named_parameters()}

        def loss(params: dict[str, Tensor], layer: Any = layer, x: Tensor = x) -> Tensor:
            return torch.func.functional_call(layer, params, (x,))[0].cos().sum()

        grads.append(torch.func.grad(loss)(other))
    for key, grad in grads[0].items():
        assert worst(grads[1][key], grad) <= 64 * EPS
        assert grad.abs().max() > 0


@every_dropin
def test_compiled_equals_eager(name: str, options: dict[str, Any]) -> None:
    _, ours = pair(name, options)
    x, results = x_for(ours), []
    for run in (ours, torch.compile(ours, backend="aot_eager", fullgraph=True)):
        leaf = x.clone().requires_grad_()
        y, last = run(leaf, lengths=torch.tensor([5, 2]))
        parts = last if isinstance(last, tuple) else (last,)
        loss = y.cos().sum() + sum(part.sin().sum() for part in parts)
        results.append([y, *parts, *torch.autograd.grad(loss, [leaf, *ours.parameters()])])
    assert all(worst(a, b) <= 64 * EPS for a, b in zip(*results, strict=True))


@every_dropin
def test_exported_equals_eager(name: str, options: dict[str, Any]) -> None:
    _, ours = pair(name, options)
    B, T = Dim("B"), Dim("T")
    free = {0: B, 1: T} if ours.batch_first else {0: T, 1: B}
    with torch.no_grad():
        program = torch.export.export(ours, (x_for(ours),), dynamic_shapes={"input": free})
        x = x_for(ours, B=4, T=7)
        assert torch.equal(program.module()(x)[0], ours(x)[0])


@every_dropin
def test_second_derivatives(name: str, options: dict[str, Any]) -> None:
    if name == "RNN":
        options = options | {"nonlinearity": "tanh"}  # relu has a kink, which finite differences see
    _, ours = pair(name, options | {"num_layers": 1})
    x = x_for(ours, T=3).requires_grad_()
    for backend in ("auto", "reference"):
        ours.backend = backend
        assert torch.autograd.gradcheck(lambda x, *_: ours(x)[0], (x, *ours.parameters()))
    assert torch.autograd.gradgradcheck(lambda x, *_: ours(x)[0], (x, *ours.parameters()))


@no_onednn
@every_dropin
def test_second_derivatives_where_torch_has_them(name: str, options: dict[str, Any]) -> None:
    found = []
    for layer in pair(name, options):
        x = x_for(layer).requires_grad_()
        (grad,) = torch.autograd.grad(layer(x)[0].cos().sum(), x, create_graph=True)
        try:
            found.append(torch.autograd.grad(grad.square().sum(), [x, layer.weight_hh_l0]))
        except RuntimeError:  # oneDNN's backward pass has none
            found.append(())
    for theirs, ours in zip(*found, strict=False):
        assert worst(ours, theirs) <= 64 * EPS * max(1.0, theirs.abs().max().item())
    assert found[1] or not found[0]


@every_dropin
def test_errors_are_caught_as_those_of_torch(name: str, options: dict[str, Any]) -> None:
    _, ours = pair(name, options)
    x = x_for(ours)
    for wrong in (x[..., :1], x[None], x[0, 0], x.float()):
        for kind in (CallError, RuntimeError, ValueError):
            with pytest.raises(kind, match=r"expected|convert"):
                ours(wrong)
    with pytest.raises(TypeError, match="input is a list; expected a tensor"):
        ours([x])


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_single_steps_raise_errors_where_torch_does(name: str) -> None:
    h = torch.zeros(2, 4)
    for x, hx in (
        (torch.zeros(2, 2), h), (torch.zeros(1, 2, 3), h), (torch.zeros(2, 3), torch.zeros(2, 5)),
        (torch.zeros(2, 3), torch.zeros(3, 4)), (torch.zeros(3), h), (torch.zeros(2, 3).double(), h),
    ):  # fmt: skip
        for home in (torch.nn, nn):
            layer = getattr(home, name)(3, 4)
            with pytest.raises((RuntimeError, ValueError)):
                layer(x, (hx, hx) if name == "LSTMCell" else hx)
    for home in (torch.nn, nn):
        y = getattr(home, name)(3, 4)(torch.zeros(0, 3))
        assert (y[0] if isinstance(y, tuple) else y).shape == (0, 4), "no rows, no complaint"


def test_a_packed_sequence_with_lengths_is_an_error() -> None:
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 3), torch.zeros(2, 3)])
    with pytest.raises(CallError, match="contains its own lengths"):
        nn.GRU(3, 4)(packed, lengths=[3, 2])


# projections -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("lengths", ["none", "full", "ragged"])
def test_projected_back_ends_agree(bidirectional: bool, state: bool, lengths: str) -> None:
    for size in ((4, 7, 5, 3), (9, 33, 1, 4)):
        call = random_call(LSTMP(2), size, lengths=lengths, state=state, bidirectional=bidirectional)
        exact = values_and_grads(ops.BACKENDS[-1], call, torch.float64)
        for dtype in (torch.float32, torch.float64):
            loop = errors_of_the_loop(call, exact, dtype)
            assert [backend.name for backend in can_run(call)] == ["torch", "reference"]
            for backend in can_run(call):
                assert_as_exact(values_and_grads(backend, call, dtype), exact, loop, dtype)


def test_a_projected_step_by_hand() -> None:
    """H = 2, P = 1, no weight but the input's: i = f = o = 1/2, g = tanh(1), c = c/2 + g/2, h = R (o tanh c)."""
    one = torch.ones(1, 1, dtype=torch.float64)
    params = {
        "weight_ih": torch.tensor([[0.0], [0], [0], [0], [1], [1], [0], [0]], dtype=torch.float64),
        "weight_hh": torch.zeros(8, 1, dtype=torch.float64),
        "weight_hr": torch.tensor([[3.0, -1.0]], dtype=torch.float64),
    }
    cell = LSTMP(1)
    before = cells.LSTMState(one, torch.tensor([[0.0, 2.0]], dtype=torch.float64))
    h, c = cell.step(cell.project(one, params), before, params)
    g = math.tanh(1)
    assert c.tolist() == [[pytest.approx(g / 2, abs=1e-15), pytest.approx(1 + g / 2, abs=1e-15)]]
    assert h.item() == pytest.approx(3 * math.tanh(g / 2) / 2 - math.tanh(1 + g / 2) / 2, abs=1e-15)


def test_a_projected_layer_of_any_kind() -> None:
    """nn.Recurrent runs the cell too; padded rows are as alone, and a state handed on changes nothing."""
    torch.manual_seed(0)
    layer = nn.Recurrent(LSTMP(2), 3, 5, num_layers=2, dtype=torch.float64)
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    y, last = layer(x, lengths=[6, 0, 4])
    alone, end = layer(x[2:, :4])
    assert worst(y[2:, :4], alone) <= 64 * EPS
    assert all(worst(last[name][2:], part) <= 64 * EPS for name, part in end.tensors().items())
    assert (last["h_l1"].shape, last["c_l1"].shape, y.shape[2], layer.output_size) == ((3, 2), (3, 5), 2, 2)
    head, state = layer(x[:1, :2])
    tail, _ = layer(x[:1, 2:], state)
    assert worst(torch.cat([head, tail], 1), y[:1]) <= 64 * EPS


@pytest.mark.parametrize(
    ("batch_first", "shape", "expected"),
    [(False, (9, 3, 6), "(T, B, I)"), (True, (3, 9, 6), "(B, T, I)"), (True, (9, 6), "(T, I)")],
)
def test_an_invalid_input_is_reported_in_its_own_layout(
    batch_first: bool, shape: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(CallError) as raised:
        nn.LSTM(5, 8, batch_first=batch_first)(torch.randn(shape))
    assert str(raised.value) == f"input has shape {shape}; expected {expected} with I = 5"
