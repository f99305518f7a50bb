"""SGD and Adam, compared with torch.optim, and the norm of the gradient over time, compared with matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recurra import bptt

PAIRS: list[tuple[Callable[[Any], Any], Callable[[Any], torch.optim.Optimizer]]] = [
    (lambda p: bptt.SGD(p, 0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (lambda p: bptt.SGD(p, 0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    (lambda p: bptt.Adam(p, 0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (lambda p: bptt.Adam(p, 0.01, betas=(0.5, 0.9)), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.9))),
]


@pytest.mark.parametrize("ours, theirs", PAIRS, ids=["sgd", "momentum", "adam", "betas"])
def test_equals_torch(ours: Callable[[Any], Any], theirs: Callable[[Any], torch.optim.Optimizer]) -> None:
    """50 steps of values near one in float64 differ by some roundings of 2e-16 each."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 2)), rng.normal(size=4)]
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    before = [array.copy() for array in arrays]
    descent, reference = ours(arrays), theirs(tensors)
    for _ in range(50):
        grads = [rng.normal(size=array.shape) for array in arrays]
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(g)
        descent.step(grads)
        reference.step()
    for array, tensor, old in zip(arrays, tensors, before, strict=True):
        assert np.abs(array - tensor.detach().numpy()).max() <= 1e-12
        assert np.abs(array - old).max() > 0.01


def test_invalid_options() -> None:
    for message, call in (
        ("rate is 0; expected a number above 0", lambda: bptt.SGD([], 0)),
        ("rate is nan; expected a number above 0", lambda: bptt.Adam([], float("nan"))),
        ("momentum is 1; expected a number from 0 to below 1", lambda: bptt.SGD([], 0.1, 1)),
        (r"betas are \(0.9, 1\); expected two numbers from 0 to below 1", lambda: bptt.Adam([], 0.1, (0.9, 1))),
        (r"x is \(0, 3, 1\); expected at least one sequence", lambda: _norms("tanh", 1.0, np.zeros((0, 3, 1)))),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def _norms(nonlinearity: str, scale: float, x: Any) -> list[float]:
    cell = bptt.RNN(nonlinearity)
    p = cell.parameters(1, 8, np.random.default_rng(0))
    p["weight_hh"] = scale * np.eye(8)
    return bptt.gradient_norms(cell, p, x)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.5])
def test_norms_equal_products_of_jacobians(nonlinearity: str, scale: float) -> None:
    cell, rng = bptt.RNN(nonlinearity), np.random.default_rng(1)
    p = cell.parameters(2, 8, rng)
    p["weight_hh"] = scale * np.linalg.qr(rng.normal(size=(8, 8)))[0]
    x = rng.normal(size=(1, 20, 2))
    h = bptt.forward(cell, p, x).y[0]
    d, expected = np.full(8, 1 / np.sqrt(8)), [1.0]
    for t in range(19, -1, -1):
        slope = 1 - h[t] ** 2 if nonlinearity == "tanh" else (h[t] > 0).astype(float)
        d = (np.diag(slope) @ p["weight_hh"]).T @ d
        expected.append(float(np.linalg.norm(d)))
    assert bptt.gradient_norms(cell, p, x) == pytest.approx(expected, rel=1e-12)


def test_active_relu_units_keep_the_gradient_at_one() -> None:
    """With an identity and active units the gradient is that of the sum: it neither vanishes nor explodes."""
    cell = bptt.RNN("relu")
    p = cell.parameters(1, 8, np.random.default_rng(0))
    p["weight_ih"], p["bias_ih"], p["bias_hh"] = np.zeros((8, 1)), np.ones(8), np.zeros(8)
    for scale, last in ((0.5, 0.5**20), (1.0, 1.0), (2.0, 2.0**20)):
        p["weight_hh"] = scale * np.eye(8)
        assert bptt.gradient_norms(cell, p, np.zeros((1, 20, 1)))[-1] == pytest.approx(last, rel=1e-12)
