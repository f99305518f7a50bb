"""The stepper: single steps with bound buffers give what the layer gives."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from cells_registry import OPERATORS, Leaky, worst
from torch import Tensor

from recurra import cells, nn
from recurra.errors import BackendError, CallError
from recurra.ops import timings
from recurra.ops.native import loader

pytestmark = pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])
every_kernel = pytest.mark.parametrize("cell", OPERATORS, ids=str)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("streams, size", [(1, 5), (3, 16), (17, 33)])
def test_steps_are_the_layer(cell: cells.Cell, dtype: torch.dtype, streams: int, size: int) -> None:
    torch.manual_seed(0)
    layer = nn.Recurrent(cell, 4, size, num_layers=2, backend="reference", dtype=dtype)
    stepper = nn.Stepper(layer, streams)
    x = torch.randn(streams, 6, 4, dtype=dtype)
    with torch.no_grad():
        y, state = layer(x)
    for t in range(6):
        stepper.x[:] = x[:, t]
        stepper()
        assert worst(stepper.y, y[:, t]) <= 16 * torch.finfo(dtype).eps
    for name, part in stepper.state.tensors().items():
        assert worst(part, state[name]) <= 16 * torch.finfo(dtype).eps


@every_kernel
@pytest.mark.parametrize("kernel", ["packed", "unpacked"])
@pytest.mark.parametrize("streams, threads", [(1, 1), (5, 2), (8, 3)])
def test_both_kernels_are_the_layer(
    monkeypatch: pytest.MonkeyPatch, cell: cells.Cell, kernel: str, streams: int, threads: int
) -> None:
    """Whichever kernel the table of timings names, also on several threads."""
    torch.manual_seed(0)
    monkeypatch.setattr(timings, "step_kernel", lambda *size: kernel)
    layer, before = nn.Recurrent(cell, 40, 300, num_layers=2, backend="reference"), torch.get_num_threads()
    x = torch.randn(streams, 4, 40)
    with torch.no_grad():
        y, state = layer(x)
    try:
        torch.set_num_threads(threads)
        stepper = nn.Stepper(layer, streams)
        for t in range(4):
            stepper.x[:] = x[:, t]
            stepper()
            assert worst(stepper.y, y[:, t]) <= 32 * torch.finfo(torch.float32).eps
    finally:
        torch.set_num_threads(before)
    for name, part in stepper.state.tensors().items():
        assert worst(part, state[name]) <= 32 * torch.finfo(torch.float32).eps


def test_without_biases() -> None:
    layer = nn.Recurrent("gru", 3, 7, bias=False)
    stepper = nn.Stepper(layer)
    stepper.x[:] = torch.tensor([0.5, -1.0, 2.0])
    stepper()
    with torch.no_grad():
        assert worst(stepper.y, layer(stepper.x[:, None])[0][:, 0]) <= 1e-6


def test_the_state_is_a_value() -> None:
    layer = nn.Recurrent("lstm", 3, 5)
    stepper = nn.Stepper(layer, 2)
    stepper.x[:] = torch.randn(2, 3)
    stepper()
    before = stepper.state
    kept = before["c_l0"].clone()
    stepper()
    after = stepper.state
    assert torch.equal(before["c_l0"], kept), "what was handed out does not change"
    stepper.state = before
    stepper()
    assert torch.equal(stepper.state["h_l0"], after["h_l0"])
    stepper.reset([1])
    assert stepper.state["h_l0"][1].eq(0).all()
    assert torch.equal(stepper.state["h_l0"][0], after["h_l0"][0])
    with pytest.raises(CallError, match="h_l0 has shape"):
        stepper.state = nn.Recurrent("lstm", 3, 5).initial_state(4)


def test_a_learned_state_and_layers_of_other_widths() -> None:
    torch.manual_seed(0)
    layer = nn.Recurrent(["lstm", "gru"], 4, [5, 7], learned_state=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.5, 0.5)
    stepper, x = nn.Stepper(layer, 2), torch.randn(2, 3, 4)
    with torch.no_grad():
        y, _ = layer(x)
    for t in range(3):
        stepper.x[:] = x[:, t]
        stepper()
        assert worst(stepper.y, y[:, t]) <= 1e-6


def pre_activation_bounds(layer: nn.Recurrent, x: Tensor, h: Tensor) -> Tensor:
    """(B, G*H): how far rounded weights and numbers may move the sums before the gates.

    A weight is off by half its row's scale, a number by half of that of its vector, the range of which is as large as
    32 bits can hold sums of; where both are rounded the second meets the rounded weight.
    """
    bounds = []
    for vector, weight in ((x, layer.weight_ih_l0), (h, layer.weight_hh_l0)):
        K = weight.shape[1]
        scale = weight.detach().abs().amax(1) / 127
        steps = min(2**31 // (127 * K) - 1, 32639)
        half = vector.abs().amax(1, keepdim=True) / steps / 2
        by_weights = vector.abs().sum(1, keepdim=True) * scale / 2
        by_numbers = half * (weight.detach().abs().sum(1) + K * scale / 2)
        bounds.append(by_weights + by_numbers)
    return bounds[0] + bounds[1]


@pytest.fixture(params=loader.load()[0].targets() if loader.load()[0] is not None else [])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module = loader.load()[0]
    monkeypatch.setattr(loader, "load", lambda: (module, request.param))
    return str(request.param)


@pytest.mark.parametrize("streams, inputs, size", [(1, 4, 7), (3, 33, 65), (2, 100, 300)])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_error_of_int8_is_bounded_by_its_rounding(
    target: str, name: str, streams: int, inputs: int, size: int
) -> None:
    """From the same state a step is off by what the gates make of the error of their sums: sigmoid's slope is a quarter
    at most and tanh's one, and what a gate multiplies is bounded."""
    torch.manual_seed(0)
    layer = nn.Recurrent(name, inputs, size)
    stepper = nn.Stepper(layer, streams, int8=True)
    reference, off = nn.Recurrent(name, inputs, size, backend="reference", dtype=torch.float64), 0.0
    reference.load_state_dict(layer.state_dict())
    for _ in range(5):
        before = stepper.state
        stepper.x.normal_()
        stepper()
        with torch.no_grad():
            _, exact = reference(stepper.x[:, None].double(), before.to(torch.float64))
        gates = pre_activation_bounds(layer, stepper.x, before["h_l0"]).chunk(len(layer.cell.gates), dim=1)
        if name == "lstm":
            i, f, g, o = gates
            of_c = f / 4 * before["c_l0"].abs() + i / 4 + g
            bounds = {"c_l0": of_c, "h_l0": o / 4 + of_c}
        else:
            _, z, n = gates
            reset = gates[0] / 4 * (size**0.5)  # of r times (Un h + cn), which is no larger with these weights
            bounds = {"h_l0": z / 4 * 2 + n + reset}
        for part, bound in bounds.items():
            error = (stepper.state[part] - exact[part]).abs()
            assert (error <= bound + 4 * torch.finfo(torch.float32).eps).all()
            off = max(off, error.max().item())
    assert off > 1e-6, "the weights were rounded"


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_weights_that_8_bits_represent_exactly_equal_the_layer(target: str, name: str) -> None:
    """Weights that are whole multiples of a scale, and an x and h of few digits: nothing is rounded but in float."""
    torch.manual_seed(0)
    layer = nn.Recurrent(name, 40, 19)
    with torch.no_grad():
        for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
            weight.copy_(torch.randint(-127, 128, weight.shape) / 1024)
            weight[:, 0] = 127 / 1024
    stepper = nn.Stepper(layer, 3, int8=True)
    stepper.x[:] = torch.randint(-32639, 32640, (3, 40)) / 32639
    stepper.x[:, 0] = 1
    stepper()
    with torch.no_grad():
        y, _ = layer(stepper.x[:, None])
    assert worst(stepper.y, y[:, 0]) <= 16 * torch.finfo(torch.float32).eps


def test_int8_with_inputs_that_are_not_finite(target: str) -> None:
    torch.manual_seed(0)
    stepper = nn.Stepper(nn.Recurrent("lstm", 5, 9), 4, int8=True)
    stepper.x.normal_()
    stepper()
    clean, start = stepper.y.clone(), stepper.x.clone()
    for poison in (float("nan"), float("inf")):
        stepper.reset()
        stepper.x[:] = start
        stepper.x[2, 3] = poison
        stepper()
        assert stepper.y[2].isnan().all(), "told, not hidden"
        assert torch.equal(stepper.y[[0, 1, 3]], clean[[0, 1, 3]]), "and in its own stream alone"
    for size in (0.0, 1e-40, 1e4):
        stepper.reset()
        stepper.x.fill_(size)
        stepper()
        assert stepper.y.isfinite().all()


@pytest.mark.parametrize("int8", [False, True])
def test_a_step_keeps_its_memory(int8: bool) -> None:
    """`nn.Stepper(layer).step` alone is enough: the buffers live as long as what writes into them."""
    stepper = nn.Stepper(nn.Recurrent("gru", 3, 5), int8=int8)
    buffers, step = [weakref.ref(stepper.x), weakref.ref(stepper._steps)], stepper.step
    del stepper
    gc.collect()
    assert buffers[1]() is None, "nothing else holds them"
    assert buffers[0]() is not None
    step()


def test_int8_requires_float32() -> None:
    with pytest.raises(BackendError, match=r"int8 weights require float32, and x is torch\.float64"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, dtype=torch.float64), int8=True)
    with pytest.raises(CallError, match="int8 is 1; expected True or False"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5), int8=1)  # type: ignore[arg-type]


def test_unsupported_layers_are_reported() -> None:
    with pytest.raises(BackendError, match="does not support residual"):
        nn.Stepper(nn.Recurrent("lstm", 5, 5, num_layers=2, residual=True))
    with pytest.raises(BackendError, match="masks of recurrent_dropout and zoneout"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, zoneout=0.1))
    with pytest.raises(CallError, match="training mode"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, recurrent_dropout=0.1))
    with pytest.raises(BackendError, match="needs the end of the sequence first"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, bidirectional=True))
    with pytest.raises(BackendError, match="not for leaky"):
        nn.Stepper(nn.Recurrent(Leaky(), 3, 5))
    with pytest.raises(CallError, match="streams is 0"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5), 0)
    with pytest.raises(
        CallError, match=r"layer is a torch.nn.modules.rnn.LSTM; expected an RNN, LSTM, GRU or Recurrent"
    ):
        nn.Stepper(torch.nn.LSTM(3, 5))  # type: ignore[arg-type]
