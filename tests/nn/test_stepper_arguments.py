"""What can be assigned to a stepper and passed to it, in every mode, and the lock of Python during a step."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
import torch
from cells_registry import OPERATORS, worst

from recurra import cells, nn
from recurra.errors import CallError
from recurra.ops.native import loader
from recurra.ops.threads import threads as threads_of

pytestmark = pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])
every_kernel = pytest.mark.parametrize("cell", OPERATORS, ids=str)
EPS = torch.finfo(torch.float32).eps


@every_kernel
def test_assigning_x_copies_it_into_the_buffer(cell: cells.Cell) -> None:
    torch.manual_seed(0)
    layer, x = nn.Recurrent(cell, 3, 5), torch.randn(2, 3, requires_grad=True)
    stepper = nn.Stepper(layer, streams=2)
    address, step = stepper.x.data_ptr(), stepper.step
    stepper.x = x
    assert stepper.x.data_ptr() == address and torch.equal(stepper.x, x) and not stepper.x.requires_grad
    step()
    with torch.no_grad():
        assert worst(stepper.y, layer(x[:, None])[0][:, 0]) <= 16 * EPS
    stepper.x += 1
    assert stepper.x.data_ptr() == address and torch.equal(stepper.x, x + 1)
    stepper.x = x.double()  # converted
    assert torch.equal(stepper.x, x)


@pytest.mark.parametrize("name", ["y", "step"])
def test_what_a_stepper_writes_cannot_be_assigned(name: str) -> None:
    stepper = nn.Stepper(nn.GRU(3, 5))
    with pytest.raises(AttributeError, match=name):
        setattr(stepper, name, getattr(stepper, name))


@every_kernel
def test_a_stepper_made_in_inference_mode_is_fed_outside_and_the_other_way_round(cell: cells.Cell) -> None:
    with torch.inference_mode():
        torch.manual_seed(0)
        layer = nn.Recurrent(cell, 3, 5, learned_state=True)
        inside = nn.Stepper(layer, streams=2)
    outside, x = nn.Stepper(layer, streams=2), torch.randn(4, 2, 3)
    for t in range(4):
        for stepper, inference in ((inside, t % 2 == 0), (outside, t % 2 == 1)):
            with torch.inference_mode(inference):
                stepper.x = x[t]
                stepper.x[:] = x[t]
                stepper()
                stepper.state = stepper.state
                stepper.reset([0])
    assert torch.equal(inside.y, outside.y) and inside.state == outside.state
    assert not inside.x.is_inference() and not inside.y.is_inference()


def test_a_state_of_training_continues_in_a_stepper() -> None:
    """The state of a call with gradients has a graph, and the buffers do not join it."""
    layer = nn.Recurrent("lstm", 3, 5, num_layers=2)
    stepper, x = nn.Stepper(layer, streams=2), torch.randn(2, 4, 3)
    stepper.state = layer(x[:, :3])[1]
    stepper.x = x[:, 3]
    stepper()
    assert worst(stepper.y, layer(x)[0][:, 3].detach()) <= 16 * EPS
    assert not stepper.y.requires_grad


@pytest.mark.parametrize("streams", [True, 1.0, "2", 0, -1, None])
def test_streams_are_checked(streams: Any) -> None:
    with pytest.raises(CallError, match=f"streams is {streams!r}; expected an integer of at least 1"):
        nn.Stepper(nn.GRU(3, 5), streams)


@pytest.mark.parametrize(
    "index, message",
    [
        ([2], "index has 2; expected integers from 0 to 1"),
        (-3, "index has -3"),
        ([[0], [1]], r"index is torch.int64 of shape \(2, 1\)"),
        ("a", "index is 'a'; expected integers"),
        (None, "index is None; expected integers"),
        ([0.5], "index is torch.float32"),
        (torch.tensor([True]), r"booleans \(B,\) with B = 2"),
        (slice("a", None), "or a slice"),
    ],
)
def test_an_index_is_checked(index: Any, message: str) -> None:
    stepper, state = nn.Stepper(nn.GRU(3, 5), streams=2), nn.Recurrent("gru", 3, 5).initial_state(2)
    for call in (stepper.reset, state.reset, state.rows):
        with pytest.raises(CallError, match=message):
            call(index)


@pytest.mark.parametrize(
    "index", [1, -1, [1], (1,), range(1, 2), torch.tensor([1], dtype=torch.uint8), [False, True], slice(1, 2)]
)
def test_every_form_of_an_index_selects_the_same(index: Any) -> None:
    stepper = nn.Stepper(nn.GRU(3, 5), streams=2)
    stepper()
    state = stepper.state
    assert state.rows(index) == state.rows(slice(1, 2))
    assert state.rows(index).batch_size == 1
    stepper.reset(index)
    assert stepper.state == state.reset(index)
    assert stepper.state["h_l0"][1].eq(0).all() and stepper.state["h_l0"][0].ne(0).any()


def test_other_arguments_are_checked() -> None:
    stepper = nn.Stepper(nn.LSTM(3, 5), streams=2)
    for x, message in [
        (torch.zeros(1, 3), r"x has shape \(1, 3\); expected \(streams, I\) = \(2, 3\)"),
        (torch.zeros(3), r"x has shape \(3,\)"),
        ([[0.0] * 3] * 2, "x is a list; expected a tensor"),
        (torch.zeros(2, 3, dtype=torch.complex64), "x is torch.complex64"),
    ]:
        with pytest.raises(CallError, match=message):
            stepper.x = x  # type: ignore[assignment]
    with pytest.raises(CallError, match="state is a dict; expected a State"):
        stepper.state = stepper.state.tensors()  # type: ignore[assignment]
    with pytest.raises(CallError, match=r"layer is a builtins\.NoneType"):
        nn.Stepper(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads, streams, size", [(2, 64, 32), (1, 1, 512)])
def test_other_threads_run_during_a_long_step(threads: int, streams: int, size: int) -> None:
    """The interpreter never takes its lock away here, so another thread runs only if a step gives it up."""
    with threads_of(threads):
        stepper = nn.Stepper(nn.GRU(3, size), streams=streams)
    gate, ran, interval = threading.Lock(), [], sys.getswitchinterval()
    gate.acquire()

    def other() -> None:
        with gate:
            ran.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        sys.setswitchinterval(1e6)
        gate.release()
        for _ in range(20_000):
            stepper.step()
            if ran:
                break
        assert ran
    finally:
        sys.setswitchinterval(interval)
        thread.join()
