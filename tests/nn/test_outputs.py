"""No result of a layer or cell is a view, so that each may be detached in place, as in torch.nn.

Except y of torch's LSTM with batch_first, which is a view in torch.nn too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from cells_registry import CELLS
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from transform_cases import components, drop_in, every_drop_in, randn, recurrent

from recurra import cells, nn, ops

BACKENDS = [backend.name for backend in ops.BACKENDS]
every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_grad = pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"bidirectional": True},
    {"bidirectional": True, "merge": "sum"},
    {"bidirectional": True, "merge": "mul", "batch_first": True},
    {"num_layers": 2},
    {"num_layers": 2, "residual": True},
]


def calls(batch_first: bool) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Inputs of all kinds, and the keyword arguments of the call."""
    for B, T in ((3, 9), (1, 9), (3, 1), (1, 1), (3, 0), (3, 30)):
        x, lengths = randn(B, T, 3), [T, *[T // 2] * (B - 1)]
        given = x if batch_first else x.transpose(0, 1)
        yield f"{B} x {T}", given, {}
        yield f"{B} x {T}, lengths", given, {"lengths": [T // 2] * B}
        if T:
            yield f"{B} x {T}, reset", given, {"reset": [(0, T // 2)]}
        if T > 1:
            yield f"{B} x {T}, packed", pack_padded_sequence(x, torch.tensor(lengths), batch_first=True), {}


def detach_in_place(y: Any, state: Any, where: str, torch_lstm: bool = False) -> None:
    """Detach all results. torch raises an error if one of them is a view."""
    for name, tensor in {"y": y.data if isinstance(y, PackedSequence) else y, **dict(enumerate(state))}.items():
        try:
            tensor.detach_()
        except RuntimeError as error:
            if not (torch_lstm and name == "y"):
                raise AssertionError(f"{name} of {where}") from error


@every_drop_in
@every_backend
@every_grad
def test_results_of_a_layer(kind: str, backend: str, grad: bool) -> None:
    for options in OPTIONS + ([{"proj_size": 2}] if kind == "LSTM" and backend != "native" else []):
        torch.manual_seed(0)
        layer = getattr(nn, kind)(3, 4, dtype=torch.float64, backend=backend, **options)
        for name, x, keywords in calls("batch_first" in options):
            if 0 in (x.data.shape if isinstance(x, PackedSequence) else x.shape) and backend != "reference":
                continue  # the other backends need a time step
            with torch.set_grad_enabled(grad):
                y, state = layer(x, **keywords)
            view = kind == "LSTM" and backend == "torch" and "batch_first" in options and not keywords
            detach_in_place(y, components(state), f"{name}, {options}", view)


@every_drop_in
@every_grad
def test_torch_allows_it(kind: str, grad: bool) -> None:
    """Which is why it has to be allowed here."""
    for options in ({}, {"batch_first": True}, {"bidirectional": True}, {"num_layers": 2}):
        _, theirs = drop_in(kind, **options)
        with torch.set_grad_enabled(grad):
            y, state = theirs(randn(9, 3, 3))
        detach_in_place(y, components(state), str(options), kind == "LSTM" and "batch_first" in options)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@every_grad
def test_results_of_every_cell(cell: cells.Cell, grad: bool) -> None:
    for options in ({}, {"bidirectional": True, "num_layers": 2}):
        layer = recurrent(cell, **options)
        for name, x, keywords in calls(batch_first=True):
            with torch.set_grad_enabled(grad), ops.watch() as ran:
                y, state = layer(x, **keywords)
            fused = isinstance(cell, cells.LSTM) and ran == ["torch"] * len(ran)
            detach_in_place(y, components(state), f"{name}, {options}", fused)


@every_grad
def test_results_of_8_bit_layers(grad: bool) -> None:
    for kind in ("RNN", "LSTM", "GRU"):
        for options in ({}, {"batch_first": True}, {"bidirectional": True, "num_layers": 2}):
            layer = nn.quantize(getattr(nn, kind)(3, 4, **options))
            for name, x, keywords in calls("batch_first" in options):
                if not isinstance(x, PackedSequence):
                    with torch.set_grad_enabled(grad):
                        y, state = layer(x.float(), **keywords)
                    detach_in_place(y, components(state), f"{name}, {options}")


@every_grad
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_results_of_a_cell_module(name: str, grad: bool) -> None:
    cell = getattr(nn, name)(3, 4, dtype=torch.float64)
    for x in (randn(2, 3), randn(3)):
        with torch.set_grad_enabled(grad):
            state = components(cell(x))
        detach_in_place(state[0], state[1:], str(x.shape))


@every_drop_in
@every_backend
def test_a_detached_output_has_the_values_and_the_rest_the_gradients(kind: str, backend: str) -> None:
    layer, theirs = drop_in(kind, backend=backend)
    grads = []
    for home in (layer, theirs):
        y, state = home(randn(9, 2, 3))
        parts: list[Tensor] = components(state)
        parts[0].detach_()
        loss = (y * parts[0][0]).sum() + sum(part.sin().sum() for part in parts[1:])
        grads.append(torch.autograd.grad(loss, list(home.parameters())))
    for ours, exact in zip(*grads, strict=True):
        assert torch.allclose(ours, exact, rtol=1e-10, atol=1e-12)
