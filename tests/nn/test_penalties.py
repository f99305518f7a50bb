"""Penalties on weights and activations, and clipping per layer and per unit: values by hand, the same in every backend."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import CELLS, Leaky
from layer_helpers import FEW, made, some

from recurra import cells, nn
from recurra.errors import CallError
from recurra.nn import clipping, penalties

BUILT_IN = [cell for cell in CELLS if type(cell).__module__.startswith("recurra.")]
NAMES = {"input": "weight_ih", "recurrent": ("weight_hh", "peephole"), "bias": "bias"}


@pytest.mark.parametrize("cell", BUILT_IN, ids=str)
@pytest.mark.parametrize("role", NAMES)
def test_weight_penalties_are_sums_over_the_parameters_of_a_role(cell: cells.Cell, role: str) -> None:
    layer = made(cell, 3, [4, 4], bidirectional=True)
    chosen = [p for name, p in layer.named_parameters() if name.startswith(NAMES[role])]
    for kind, term in (("l1", torch.abs), ("l2", torch.square)):
        penalty = penalties.weight_penalty(layer, **{f"{kind}_{role}": 0.3})
        torch.testing.assert_close(penalty, 0.3 * sum(term(p).sum() for p in chosen), rtol=FEW, atol=0)
        gradients = torch.autograd.grad(penalty, list(layer.parameters()), allow_unused=True)
        for p, gradient in zip(layer.parameters(), gradients, strict=True):
            if any(p is one for one in chosen):
                torch.testing.assert_close(gradient, 0.3 * (p.sign() if kind == "l1" else 2 * p))
            else:
                assert gradient is None


def test_weight_penalties_that_have_no_effect_are_rejected() -> None:
    for layer, coefficients, message in (
        (nn.GRU(3, 4, bias=False), {"l2_bias": 0.1}, "l2_bias is 0.1, and GRU.* has no parameter with the role 'bias'"),
        (made(Leaky()), {"l1_recurrent": 0.1}, "l1_recurrent is 0.1, and Leaky.* has no parameter with the role"),
        (nn.GRU(3, 4), {"l2_inputs": 0.1}, "l2_inputs is 0.1, and there is no such coefficient; did you mean"),
        (nn.GRU(3, 4), {"l2_input": -0.1}, "l2_input is -0.1; expected a number of at least 0"),
        (torch.nn.Linear(3, 4), {"l2_input": 0.1}, "Linear contains no layer or cell of recurra.nn"),
    ):
        with pytest.raises(CallError, match=message):
            penalties.weight_penalty(layer, **coefficients)  # type: ignore[arg-type]


def test_a_constrained_weight_is_penalized_as_the_layer_uses_it() -> None:
    layer = nn.constraints.apply(made("rnn", 3, 4), {"diagonal": True})
    expected = layer.weight_hh_l0.diagonal().square().sum()
    torch.testing.assert_close(penalties.weight_penalty(layer, l2_recurrent=1.0), expected)


@pytest.mark.parametrize("backend", ["reference", "native", "torch"])
def test_activation_penalties_do_not_depend_on_padding(backend: str) -> None:
    """They are the means over the valid steps of the sequences alone, with the same gradient of the weights."""
    layer, x, lengths = made("gru", 3, 4, backend=backend), some(3, 7, 3), [5, 1, 0]
    alone = [layer(x[k : k + 1, :n])[0][0] for k, n in enumerate(lengths) if n]
    squares = sum(y.square().sum() for y in alone) / (6 * 4)
    differences = sum((y[1:] - y[:-1]).square().sum() for y in alone) / (4 * 4)
    y = layer(x, lengths=lengths)[0]
    for ours, by_hand in (
        (penalties.activation_penalty(y, lengths), squares),
        (penalties.temporal_activation_penalty(y, lengths), differences),
    ):
        torch.testing.assert_close(ours, by_hand, rtol=FEW, atol=FEW)
        for a, b in zip(
            *(torch.autograd.grad(p, list(layer.parameters()), retain_graph=True) for p in (ours, by_hand)), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=FEW, atol=FEW)


def test_activation_penalties_at_the_edges() -> None:
    y = torch.tensor([[[2.0], [5.0], [9.0]]])
    assert penalties.activation_penalty(y, [0]) == penalties.temporal_activation_penalty(y, [1]) == 0
    starts = torch.tensor([[False, True, False]])
    assert penalties.mean_of([penalties.squared_differences(y, None, starts)]) == 16
    half = torch.full((1, 40, 4), 200.0, dtype=torch.float16)
    assert penalties.activation_penalty(half) == 40000.0  # 6.4e6 in total, which float16 cannot represent
    with pytest.raises(CallError, match=r"y has shape \(3,\); expected \(B, T, H\)"):
        penalties.activation_penalty(torch.zeros(3))


def test_clipping_per_layer_has_the_layers_of_a_stack() -> None:
    model = torch.nn.Sequential(made("lstm", 3, [4, 4], bidirectional=True), torch.nn.Linear(8, 2, dtype=torch.float64))
    nn.constraints.apply(model[0], {"diagonal": True})
    layers = clipping.layers_of(model)
    assert [len(layer) for layer in layers] == [8, 8, 2]
    for n, parameter in enumerate(model.parameters()):
        parameter.grad = some(*parameter.shape, seed=n) * (n + 1)
    before = [[p.grad.clone() for p in layer if p.grad is not None] for layer in layers]
    totals = [torch.linalg.vector_norm(torch.cat([g.flatten() for g in old])) for old in before]
    bound = sum(map(float, sorted(totals)[:2])) / 2  # between the smallest and the second
    norms = clipping.clip_grad_norm_per_layer_(model, bound)
    for layer, old, norm, total in zip(layers, before, norms, totals, strict=True):
        torch.testing.assert_close(norm, total)
        for p, g in zip(layer, old, strict=True):
            torch.testing.assert_close(p.grad, g * min(1.0, bound / float(total)), rtol=1e-6, atol=0)  # torch adds 1e-6
    with pytest.raises(CallError, match="max_norm is 0; expected a number above 0"):
        clipping.clip_grad_norm_per_layer_(model, 0)


def test_adaptive_clipping_is_that_of_the_paper_for_each_unit() -> None:
    for shape in ((5, 3), (4,), (2, 3, 2, 2)):
        w = some(*shape, seed=1).requires_grad_()
        w.data[:1] = 0  # a unit without weights is clipped to 0.001 times the ratio
        g = some(*shape, seed=2)
        w.grad = g.clone()
        clipping.clip_grad_adaptive_([w], 0.5)
        units: list[Any] = list(range(len(w))) if len(shape) > 1 else [slice(None)]
        for unit in units:
            limit = 0.5 * max(float(w[unit].detach().norm()), 1e-3)
            expected = g[unit] * min(1.0, limit / float(g[unit].norm()))
            torch.testing.assert_close(w.grad[unit], expected)
    zero = torch.zeros(2, 2, requires_grad=True)
    zero.grad = torch.zeros(2, 2)
    clipping.clip_grad_adaptive_([zero, torch.zeros(1, requires_grad=True)], 0.1)
    assert not zero.grad.any()
    with pytest.raises(CallError, match=r"max_ratio is -1\.0; expected a number above 0"):
        clipping.clip_grad_adaptive_([zero], -1.0)
