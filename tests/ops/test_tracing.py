"""torch.jit.trace and the ONNX exporter that uses it: a graph that is correct for other sizes, or an error."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from cells_registry import CELLS, can_run, random_call
from torch import Tensor
from transform_cases import assert_close, components, drop_in, every_drop_in, every_length, randn, recurrent

from recurra import cells
from recurra.errors import BackendError

# Checks of shapes are recorded as constants, which is right, and torch.jit is deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size other than 1:UserWarning"),
]
OPTIONS = [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False, "batch_first": True}]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=str)


class WithLengths(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        return self.layer(x, lengths=lengths)


class Alone(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


def saved_and_loaded(traced: Any) -> Any:
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    return torch.jit.load(file)


@every_drop_in
@every_length
@every_option
@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
def test_trace(kind: str, T: int, options: dict[str, Any], grad: bool) -> None:
    layer, theirs = drop_in(kind, **options)
    batch_first = int("batch_first" in options)
    with torch.set_grad_enabled(grad):
        traced = saved_and_loaded(torch.jit.trace(layer, (randn(T, 2, 3).transpose(0, batch_first),)))
        with_lengths = torch.jit.trace(
            WithLengths(layer), (randn(2, T, 3).transpose(0, 1 - batch_first), torch.tensor([T, 1]))
        )
        with_lengths = saved_and_loaded(with_lengths)
        for steps, B in ((T, 2), (T + 3, 5), (2, 1)):
            x, lengths = randn(B, steps, 3).transpose(0, 1 - batch_first), torch.arange(steps, steps + B) % (steps + 1)
            (y, state), (exact, exact_state) = traced(x), theirs(x)
            assert_close([y, *components(state)], [exact, *components(exact_state)])
            (y, state), (exact, exact_state) = with_lengths(x, lengths), layer(x, lengths=lengths)
            assert_close([y, *components(state)], [exact, *components(exact_state)])


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if len(can_run(random_call(cell, (2, 3, 2, 2)))) == 1], ids=str
)
def test_a_loop_is_not_recorded(cell: cells.Cell) -> None:
    """It would be right for one number of time steps only."""
    layer, x = recurrent(cell), randn(2, 3, 3)
    with pytest.raises(
        BackendError, match=f"no backend can run this call of {cell.name}: .*one number of time steps; use torch.export"
    ):
        torch.jit.trace(lambda x: layer(x)[0], (x,))


def test_native_by_name_is_rejected() -> None:
    layer, _ = drop_in("GRU", backend="native")
    for T in (1, 9):
        with pytest.raises(BackendError, match=r"torch\.jit\.trace does not record what the kernels do"):
            torch.jit.trace(layer, (randn(T, 2, 3),))


@every_drop_in
@every_option
@every_length
def test_onnx(kind: str, options: dict[str, Any], T: int) -> None:
    layer, theirs = drop_in(kind, **options)
    batch_first, file = int("batch_first" in options), io.BytesIO()
    x = randn(T, 2, 3).float().transpose(0, batch_first)
    torch.onnx.export(
        Alone(layer.float()), (x,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "a", 1: "b"}}
    )
    session = onnxruntime.InferenceSession(file.getvalue())
    for steps in (T, T + 4):
        x = randn(steps, 2, 3, seed=3).float().transpose(0, batch_first)
        y = session.run(None, {"x": x.numpy()})[0]
        exact = theirs(x.double())[0].detach().numpy()
        loop = layer(x)[0].detach().numpy()
        bound = 2 * np.abs(loop - exact).max() + 8 * np.finfo(np.float32).eps  # another library in float32
        assert np.abs(y - exact).max() <= bound
