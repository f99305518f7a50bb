"""The stepper: single steps with bound buffers give what the layer gives."""

from __future__ import annotations

import pytest
import torch
from cells_registry import OPERATORS, Leaky, worst

from recurra import cells, nn
from recurra.errors import BackendError, CallError
from recurra.ops import kernels

pytestmark = pytest.mark.skipif(kernels.load()[0] is None, reason=kernels.load()[1])
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


def test_what_it_cannot_is_told() -> None:
    with pytest.raises(BackendError, match="no place for residual"):
        nn.Stepper(nn.Recurrent("lstm", 5, 5, num_layers=2, residual=True))
    with pytest.raises(BackendError, match="masks of recurrent_dropout and zoneout"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, zoneout=0.1))
    with pytest.raises(CallError, match="training mode"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, recurrent_dropout=0.1))
    with pytest.raises(BackendError, match="sees the end first"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5, bidirectional=True))
    with pytest.raises(BackendError, match="not for leaky"):
        nn.Stepper(nn.Recurrent(Leaky(), 3, 5))
    with pytest.raises(CallError, match="streams is 0"):
        nn.Stepper(nn.Recurrent("lstm", 3, 5), 0)
    with pytest.raises(CallError, match=r"layer is a torch.nn.modules.rnn.LSTM; wanted an RNN, LSTM, GRU or Recurrent"):
        nn.Stepper(torch.nn.LSTM(3, 5))  # type: ignore[arg-type]
