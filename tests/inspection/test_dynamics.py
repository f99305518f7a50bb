"""`lyapunov` and `fixed_points`: systems whose exponents and fixed points are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from flipflop import answers, train
from inspection_helpers import EVERY_CELL, drawn, gaussian_rnn, made, step_of

from recurra import inspection, nn
from recurra.errors import CallError


def test_a_linear_network_has_the_logarithms_of_its_eigenvalues() -> None:
    eigenvalues = np.array([0.9, 0.5, 0.2, 0.05])
    basis = np.linalg.qr(drawn(4, 4).numpy())[0] + 0.1 * drawn(4, 4, seed=2).numpy()
    layer = nn.Recurrent("rnn", 1, 4, bias=False, dtype=torch.float64)
    with torch.no_grad():  # tanh is linear near 0, where the state goes
        layer.weight_hh_l0.copy_(torch.from_numpy(basis @ np.diag(eigenvalues) @ np.linalg.inv(basis)))
    found = inspection.lyapunov(layer, steps=2000)
    assert np.abs(found.exponents - np.log(eigenvalues)).max() < 0.005  # ln(condition of the basis) / counted steps
    faster = inspection.lyapunov(layer, steps=2000, dt=0.1)
    assert np.allclose(faster.exponents, 10 * found.exponents)
    assert found.kaplan_yorke_dimension == 0


def test_a_random_network_of_small_gain() -> None:
    layer, radius = gaussian_rnn(100, 0.5)
    found = inspection.lyapunov(layer, k=2, steps=1000)
    assert abs(found.exponents[0] - math.log(0.5 * radius)) < 0.02
    assert found.exponents[0] >= found.exponents[1]


def test_a_random_network_of_large_gain_is_chaotic() -> None:
    layer, _ = gaussian_rnn(100, 3.0)
    found = inspection.lyapunov(layer, k=1, steps=500)
    assert found.exponents[0] > 0.1
    assert math.isnan(found.kaplan_yorke_dimension)


@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_exponents_of_every_cell_are_those_of_the_product_of_jacobians(cell: Any) -> None:
    layer = made(cell, num_layers=2)
    _, N = step_of(layer)
    state, x = drawn(N) / 2, drawn(30, 3)
    found = inspection.lyapunov(layer, x=x, steps=30, state=state)
    logs = []  # the sum of all exponents is the growth of volume
    for one in x:
        part = inspection.jacobian(layer, state, one)
        state = part.state
        logs.append(np.linalg.slogdet(part.matrix)[1])
    assert found.exponents.sum() == pytest.approx(np.mean(logs[3:]), rel=1e-6)


def test_errors_of_lyapunov() -> None:
    layer = made("gru")
    for options, message in (
        ({"k": 6}, "k is 6; expected an integer from 1 to 5"),
        ({"steps": 3}, "steps is 3"),
        ({"dt": 0}, "dt is 0"),
        ({"x": drawn(20, 3)}, "x has 20 time steps and steps is 1000"),
    ):
        with pytest.raises(CallError, match=message):
            inspection.lyapunov(layer, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", EVERY_CELL, ids=str)
def test_fixed_points_of_every_cell_stay_where_they_are(cell: Any) -> None:
    layer = made(cell)
    step, _ = step_of(layer)
    x = drawn(3)
    found = inspection.fixed_points(layer, x, starts=16)
    for point, speed, stable, eigenvalues in zip(
        found.points, found.speeds, found.stable, found.eigenvalues, strict=True
    ):
        moved = step(torch.from_numpy(point), x).numpy() - point
        assert np.abs(moved).max() < 1e-7
        assert speed == pytest.approx(0.5 * (moved**2).sum(), abs=1e-16)
        assert np.allclose(np.abs(eigenvalues), np.abs(inspection.jacobian(layer, point, x).eigenvalues))
        assert stable == (np.abs(eigenvalues[0]) < 1)


def test_two_attractors_and_a_saddle() -> None:
    layer = nn.Recurrent("rnn", 1, 2, bias=False, dtype=torch.float64)
    with torch.no_grad():  # two independent units, of slope 1.5 and 0.5 at 0
        layer.weight_hh_l0.copy_(torch.diag(torch.tensor([1.5, 0.5], dtype=torch.float64)))
    found = inspection.fixed_points(layer, starts=64)
    assert found.points.shape == (3, 2)
    assert found.unstable.tolist() == [0, 0, 1]
    root = found.points[1, 0]
    assert root == pytest.approx(math.tanh(1.5 * root))
    assert np.abs(found.eigenvalues[2]) == pytest.approx([1.5, 0.5])
    assert np.abs(found.directions[2]) == pytest.approx([1, 0])
    again = inspection.fixed_points(layer, starts=found.points)
    assert np.allclose(again.points, found.points)
    assert "<svg" in found._repr_html_()


def test_slow_points_near_a_bifurcation() -> None:
    layer = nn.Recurrent("rnn", 1, 1, dtype=torch.float64)
    with (
        torch.no_grad()
    ):  # just before the fixed point of tanh(2 h - b) on the right vanishes: a slow point remains there
        layer.weight_hh_l0.fill_(2.0), layer.bias_ih_l0.fill_(-0.536), layer.bias_hh_l0.zero_()
    found = inspection.fixed_points(layer, starts=64)
    assert len(found.points) == 1
    assert len(found.slow_points) >= 1
    assert np.abs(found.slow_points - 0.71).max() < 0.01
    assert found.slow_speeds.max() < 1e-5


def test_errors_of_fixed_points() -> None:
    layer = made("gru")
    for options, message in (
        ({"starts": 0}, "starts is 0"),
        ({"starts": drawn(4, 3)}, r"starts has shape \(4, 3\)"),
        ({"x": drawn(4, 3)}, "use sweep"),
    ):
        with pytest.raises(CallError, match=message):
            inspection.fixed_points(layer, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_three_bit_flip_flop_has_eight_stable_fixed_points(cell: str) -> None:
    """One seed; `python tests/flipflop.py` runs five."""
    layer, readout = train(cell, seed=0)
    found = inspection.fixed_points(layer)
    assert found.stable.sum() == 8
    assert len(answers(readout, found.points[found.stable][:, : layer.hidden_size])) == 8
    assert (found.unstable > 0).sum() >= 12  # a saddle between each two neighbors at least
