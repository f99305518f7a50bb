"""`memory`: gradient norms equal those of the backward pass by hand; lags, horizons and the matrix of outputs and states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from inspection_helpers import BY_HAND, EVERY_CELL, OPTIONS, drawn, made, numpy_params

from recurra import bptt, inspection, nn
from recurra.errors import CallError

EXACT = 256 * np.finfo(np.float64).eps


def norms_by_hand(name: str, layer: nn.Recurrent, x: Any, last: int) -> Any:
    """The norm of the gradient of the sum of the outputs at step `last` with respect to the state after each step, (B, T)."""
    cell, p = BY_HAND[name], numpy_params(layer)
    run = bptt.forward(cell, p, x)
    norms = np.zeros(x.shape[:2])
    zero = np.zeros_like(run.y[:, 0])
    dstate: tuple[Any, ...] = (np.ones_like(zero), *(zero for _ in cell.states[1:]))
    for t in reversed(range(last + 1)):
        norms[:, t] = np.sqrt(sum((one**2).sum(1) for one in dstate))
        _, dstate = cell.step_backward(
            dstate, run.caches[t], p, {key: np.zeros_like(value) for key, value in p.items()}
        )
    return norms


@pytest.mark.parametrize("name", BY_HAND)
def test_norms_equal_those_of_the_backward_pass_by_hand(name: str) -> None:
    layer, x, lengths = made(name), drawn(4, 9, 3), [9, 5, 9, 1]
    found = inspection.memory(layer, x, lengths)
    expected = np.stack(
        [norms_by_hand(name, layer, x[b : b + 1].numpy(), length - 1)[0] for b, length in enumerate(lengths)]
    )
    valid = np.arange(9) < np.array(lengths)[:, None]
    assert np.abs(found.norms[0] - (expected * valid).sum(0) / valid.sum(0)).max() < EXACT
    for lag in range(9):
        mean = np.mean([row[length - 1 - lag] for row, length in zip(expected, lengths, strict=True) if length > lag])
        assert found.by_lag[0, lag] == pytest.approx(mean, rel=1e-12)
    whole = np.stack([norms_by_hand(name, layer, x.numpy(), s).mean(0) for s in range(9)])
    matrix = inspection.memory(layer, x).matrix[0]
    assert np.array_equal(np.isnan(matrix), ~np.tri(9, dtype=bool))
    assert np.abs(np.nan_to_num(matrix) - whole).max() < EXACT


@pytest.mark.parametrize("options", [*OPTIONS.values(), {"bidirectional": True}], ids=[*OPTIONS, "bidirectional"])
@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_the_gradient_at_the_first_step_is_that_of_the_initial_state(cell: Any, options: Any) -> None:
    """autograd through the layer itself: the gradient with respect to a state is that of a second call that starts from it."""
    layer, x = made(cell, **options).eval(), drawn(1, 7, 3)
    found = inspection.memory(layer, x)
    assert found.rows.tolist()[0] == "l0.forward"
    if layer.bidirectional:
        assert found.norms.shape == (2, 7)
        return
    state = layer(x[:, :3])[1].map(lambda part: part.detach().requires_grad_())
    y = layer(x[:, 3:], state)[0]
    grads = torch.autograd.grad(y[:, -1].sum(), list(state.tensors().values()))
    top = grads[-len(layer.cell.states) :]  # a layer below also acts on the layers above at the same step
    assert found.norms[-1, 2] == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in top)), rel=1e-9)


def test_the_directions_of_one_layer_mirror_each_other() -> None:
    layer, x = made("gru", bidirectional=True), drawn(1, 7, 3)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(layer, f"{name}_l0_reverse").copy_(getattr(layer, f"{name}_l0"))
    found = inspection.memory(layer, torch.cat([x, x.flip(1)]))
    assert np.allclose(found.norms[0], found.norms[1][::-1])
    assert np.allclose(found.by_lag[0], found.by_lag[1])
    assert np.array_equal(np.isnan(found.matrix[1]), ~np.tri(7, dtype=bool).T)


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_the_horizon_of_a_linear_unit(rate: float) -> None:
    layer = nn.Recurrent("rnn", 1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_hh_l0.fill_(rate)
    found = inspection.memory(layer, torch.zeros(1, 60, 1), outputs=0)
    assert found.by_lag[0] == pytest.approx(rate ** np.arange(60))
    assert found.horizon[0] == math.ceil(math.log(0.01) / math.log(rate))
    assert found.older[0, 3] == pytest.approx(rate**4, abs=0.01)
    assert inspection.memory(layer, torch.zeros(1, 5, 1)).horizon[0] == math.inf
    assert found.matrix.shape == (1, 0, 60)


def test_outputs_of_a_long_sequence_are_sampled() -> None:
    found = inspection.memory(made("rnn"), drawn(1, 50, 3), outputs=4)
    assert found.steps.tolist() == [0, 16, 33, 49]
    assert found.matrix.shape == (1, 4, 50)


def test_parameters_have_no_gradient_afterwards_and_errors() -> None:
    layer = torch.nn.LSTM(3, 5)
    inspection.memory(layer, torch.randn(4, 2, 3))
    assert all(p.grad is None for p in layer.parameters())
    for call, message in (
        (lambda: inspection.memory(made("gru"), drawn(1, 4, 3), outputs=-1), "outputs is -1"),
        (lambda: inspection.memory(made("gru"), drawn(1, 4, 3), [5]), "lengths"),
    ):
        with pytest.raises(CallError, match=message):
            call()
