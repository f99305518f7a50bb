"""`jacobian` and `spectra`: exact for every cell, and those of the hand-written backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from inspection_helpers import BY_HAND, EVERY_CELL, OPTIONS, drawn, made, numpy_params, step_of

from recurra import inspection, nn
from recurra.errors import CallError

STEP = 1e-5


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_equals_central_differences(cell: Any, options: Any) -> None:
    layer = made(cell, **options)
    step, N = step_of(layer)
    state, x = drawn(N) / 2, drawn(3, seed=2)
    found = inspection.jacobian(layer, state, x)

    def differences(h: float) -> Any:
        units = h * torch.eye(N, dtype=torch.float64)
        return torch.stack([(step(state + u, x) - step(state - u, x)) / (2 * h) for u in units], 1).numpy()

    fine = differences(STEP)  # its error is a third of the difference to twice the step, and rounding
    truncation = np.abs(differences(2 * STEP) - fine).max()
    assert truncation < 1e-6
    assert np.abs(found.matrix - fine).max() < truncation + 20 * np.finfo(np.float64).eps / STEP
    assert np.abs(found.state - step(state, x).numpy()).max() < 1e-14


@pytest.mark.parametrize("name", BY_HAND)
def test_equals_the_backward_pass_by_hand(name: str) -> None:
    layer, cell = made(name), BY_HAND[name]
    _, N = step_of(layer)
    state, x, p = drawn(N) / 2, drawn(3, seed=2), numpy_params(layer)
    before = tuple(part[None] for part in np.split(state.numpy(), N // 5))
    _, cache = cell.step(x.numpy()[None], before, p)
    rows = []
    for unit in np.eye(N):  # the gradient of one number after the step is a row of the Jacobian
        dstate = tuple(part[None] for part in np.split(unit, N // 5))
        _, dprev = cell.step_backward(dstate, cache, p, {key: np.zeros_like(value) for key, value in p.items()})
        rows.append(np.concatenate([part[0] for part in dprev]))
    assert np.abs(inspection.jacobian(layer, state, x).matrix - np.array(rows)).max() < 64 * np.finfo(np.float64).eps


@pytest.mark.parametrize("cell", ["lstm", "mgu"])
def test_several_steps_are_the_product_along_the_trajectory(cell: str) -> None:
    layer = made(cell, num_layers=2)
    _, N = step_of(layer)
    state, x = drawn(N) / 2, drawn(4, 3)
    product, now = np.eye(N), state
    for one in x:
        part = inspection.jacobian(layer, now, one)
        product, now = part.matrix @ product, part.state
    found = inspection.jacobian(layer, state, x)
    assert np.abs(found.matrix - product).max() < 1e-14
    assert np.allclose(found.singular_values, np.linalg.svd(product, compute_uv=False))
    assert np.all(np.diff(np.abs(found.eigenvalues)) <= 1e-12)


def test_a_state_in_every_form_and_the_layer_of_torch() -> None:
    layer = made("lstm")
    state, x = drawn(10) / 2, drawn(3)
    named = {"h_l0": state[None, :5], "c_l0": state[None, 5:]}
    same = torch.nn.LSTM(3, 5, dtype=torch.float64)
    same.load_state_dict(layer.state_dict())
    expected = inspection.jacobian(layer, state, x).matrix
    for model, form in ((layer, named), (layer, nn.State(named)), (same, state), (layer, state.numpy())):
        assert np.array_equal(inspection.jacobian(model, form, x.tolist()).matrix, expected)
    single = inspection.jacobian(layer.float(), state, x)
    assert single.matrix.dtype == np.float64


def test_one_direction_of_one_layer() -> None:
    layer = made("gru", num_layers=2, bidirectional=True)
    part = inspection.part(layer, 1, "reverse")
    x = drawn(2, 6, 3)
    below, above = inspection.record(layer, x), None
    inputs = np.concatenate([below.states["l0.forward.h"], below.states["l0.reverse.h"]], -1)[:, ::-1].copy()
    above = inspection.record(part, torch.from_numpy(inputs)).states["l0.forward.h"]
    assert np.abs(above[:, ::-1] - below.states["l1.reverse.h"]).max() < 1e-14
    assert inspection.jacobian(part).matrix.shape == (5, 5)


def test_spectra_of_the_gates() -> None:
    layer = made("lstm")
    found = inspection.spectra(layer)
    block = layer.weight_hh_l0[5:10].detach().numpy()
    assert found.norm["l0.forward.f"] == pytest.approx(np.linalg.norm(block, 2))
    assert found.radius["l0.forward.f"] == pytest.approx(np.abs(np.linalg.eigvals(block)).max())


def test_errors() -> None:
    layer = made("lstm", bidirectional=True)
    for call, message in (
        (lambda: inspection.jacobian(layer), "inspection.part"),
        (lambda: inspection.jacobian(made("lstm"), drawn(3)), "N = 10: h_l0 5, c_l0 5"),
        (lambda: inspection.jacobian(made("lstm"), {"h_l0": drawn(5)}), "expects h_l0, c_l0"),
        (lambda: inspection.jacobian(made("gru"), None, drawn(4)), "expected (I,) or (T, I) with I = 3"),
        (lambda: inspection.part(layer, 1), "unknown layer 1"),
        (lambda: inspection.part(layer, 0, "backward"), "unknown direction 'backward'"),
        (lambda: inspection.spectra(made(EVERY_CELL[11])), "no parameter weight_hh"),
    ):
        with pytest.raises(CallError) as raised:
            call()
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
