"""Layers and cells whose parameters are computed, pruned or replaced, and sizes of zero, as in torch.nn."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells_registry import worst
from layer_helpers import EPS, FEW, made, some
from torch import Tensor
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize, prune

from recurra import cells, nn
from recurra.errors import CallError
from recurra.nn.parameters import initial_values, weight_of

CELLS = {"rnn": (nn.RNNCell, torch.nn.RNNCell), "lstm": (nn.LSTMCell, torch.nn.LSTMCell)} | {
    "gru": (nn.GRUCell, torch.nn.GRUCell)
}
LAYERS: dict[str, Callable[[], Any]] = {
    "RNN": lambda: nn.RNN(3, 4, dtype=torch.float64),
    "LSTM": lambda: nn.LSTM(3, 4, bidirectional=True, dtype=torch.float64),
    "LSTM with projection": lambda: nn.LSTM(3, 4, proj_size=2, dtype=torch.float64),
    "GRU": lambda: nn.GRU(3, 4, num_layers=2, dtype=torch.float64),
    "Recurrent": lambda: made("mgu"),
    "Recurrent, fixed weights": lambda: made("lstm", learned_state=True),
}


def plain_tensor(module: Any, name: str) -> None:
    tensor = getattr(module, name).detach() * 2
    delattr(module, name)
    setattr(module, name, tensor.requires_grad_())


def weight_norm(module: Any, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and used
        torch.nn.utils.weight_norm(module, name)


CHANGES: dict[str, Callable[[Any, str], Any]] = {
    "weight_norm by a hook": weight_norm,
    "spectral_norm by a hook": torch.nn.utils.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruning": lambda module, name: prune.l1_unstructured(module, name, 0.5),
    "plain tensor": plain_tensor,
}
COPYABLE = ("weight_norm", "spectral_norm", "orthogonal", "plain tensor")  # torch cannot copy what a hook has computed
every_change = pytest.mark.parametrize("change", CHANGES)


def values_and_grads(module: Any, *inputs: Any) -> list[Tensor]:
    out = torch.utils._pytree.tree_leaves(module(*inputs))
    leaves = [*dict.fromkeys(p for p in [*module.parameters(), *vars(module).values()] if isinstance(p, Tensor))]
    leaves = [p for p in leaves if p.is_leaf and p.requires_grad]
    grads = torch.autograd.grad(sum(y.cos().sum() for y in out), leaves, allow_unused=True)
    return [*out, *(torch.zeros(()) if g is None else g for g in grads)]


@every_change
@pytest.mark.parametrize("name", CELLS)
def test_a_changed_cell_is_that_of_torch(name: str, change: str) -> None:
    x, results = some(3, 5), []
    for kind in CELLS[name]:
        torch.manual_seed(0)
        cell = kind(5, 4, dtype=torch.float64)
        for weight in ("weight_ih", "weight_hh"):
            CHANGES[change](cell, weight)
        results.append([r for _ in range(2) for r in values_and_grads(cell, x)])
        if change in COPYABLE:
            with torch.no_grad():
                results[-1] += torch.utils._pytree.tree_leaves(copy.deepcopy(cell).eval()(x[0]))
    for ours, theirs in zip(*results, strict=True):
        assert worst(ours, theirs) <= FEW


@pytest.mark.parametrize("name", CELLS)
def test_functional_call_of_a_cell(name: str) -> None:
    ours, theirs = (kind(5, 4, dtype=torch.float64) for kind in CELLS[name])
    given = {key: (2 * tensor).requires_grad_() for key, tensor in ours.state_dict().items()}
    for names in (["weight_hh"], ["weight_ih"], list(given)):
        theirs.load_state_dict(ours.state_dict())
        some_of = {key: given[key] for key in names}
        outs = [functional_call(cell, some_of, (some(3, 5),)) for cell in (ours, theirs)]
        grads = [
            torch.autograd.grad(
                sum(y.cos().sum() for y in torch.utils._pytree.tree_leaves(out)), list(some_of.values())
            )
            for out in outs
        ]
        for a, b in zip(
            *(torch.utils._pytree.tree_leaves(pair) for pair in zip(outs, grads, strict=True)), strict=True
        ):
            assert worst(a, b) <= FEW


@every_change
@pytest.mark.parametrize("name", LAYERS)
def test_a_changed_layer_computes_with_the_changed_weights(name: str, change: str) -> None:
    """torch.nn.LSTM itself ignores parametrizations. So a plain layer is called with the tensors of the changed one."""
    layer = LAYERS[name]()
    plain, weights = copy.deepcopy(layer), [n for n in dict(layer.named_parameters()) if n.startswith(("weight", "h0"))]
    if change != "plain tensor" and change != "pruning":
        weights = [n for n in weights if n.startswith("weight")]  # a norm needs a matrix
    for weight in weights:
        CHANGES[change](layer, weight)
    layer.eval()
    x = some(6, 3, 3)
    y = torch.utils._pytree.tree_leaves(layer(x))
    now = {n: getattr(layer, n).detach().clone().requires_grad_() for n in dict(plain.named_parameters())}
    expected = torch.utils._pytree.tree_leaves(functional_call(plain.eval(), now, (x,)))
    for a, b in zip(y, expected, strict=True):
        assert worst(a, b) <= FEW
    # The gradient reaches what the weights are computed from: a step against it lowers the loss.
    leaves = [p for p in [*layer.parameters(), *vars(layer).values()] if isinstance(p, Tensor) and p.is_leaf]
    grads = torch.autograd.grad(sum(part.square().sum() for part in y), leaves, allow_unused=True)
    assert sum(g is not None and bool(g.ne(0).any()) for g in grads) >= len(weights)
    with torch.no_grad():
        assert worst(torch.utils._pytree.tree_leaves(layer(x))[0], y[0]) <= FEW, "without gradients, the same"
        if change in COPYABLE:
            assert worst(torch.utils._pytree.tree_leaves(copy.deepcopy(layer)(x))[0], y[0]) <= FEW


def test_initial_values_reach_a_computed_parameter_or_raise() -> None:
    """`reset_parameters` of a changed module has an effect, or reports that it has none."""
    for change in ("spectral_norm", "weight_norm", "pruning", "spectral_norm by a hook"):
        for module in (nn.LSTM(3, 4), nn.LSTMCell(3, 4)):
            name = next(n for n, _ in module.named_parameters() if n.startswith("weight_hh"))
            CHANGES[change](module, name)
            before = {n: p.detach().clone() for n, p in module.named_parameters()}
            module.reset_parameters()
            moved = [n for n, p in module.named_parameters() if not torch.equal(p, before[n])]
            assert moved == list(before), change
    for change in ("plain tensor", "weight_norm by a hook"):
        for module in (nn.LSTM(3, 4, forget_bias=1.0), nn.LSTMCell(3, 4)):
            name = next(n for n, _ in module.named_parameters() if n.startswith("weight_hh"))
            CHANGES[change](module, name)
            with pytest.raises(CallError, match=f"{name} is not a parameter, because another tensor has replaced it"):
                module.reset_parameters()


def test_a_parametrized_value_is_assigned() -> None:
    class Double(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

        def right_inverse(self, x: Tensor) -> Tensor:
            return x / 2

    layer = nn.GRU(3, 4)
    parametrize.register_parametrization(layer, "bias_hh_l0", Double())
    with initial_values(layer, {"bias": "bias_hh_l0"}) as values:
        values["bias"].fill_(3.0)
    assert weight_of(layer, "bias_hh_l0").eq(3).all()
    assert layer.parametrizations["bias_hh_l0"].original.eq(1.5).all()


# sizes of zero -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(0, 4), (3, 0), (0, 0)])
@pytest.mark.parametrize("name", CELLS)
def test_sizes_of_zero_in_cells_are_those_of_torch(name: str, sizes: tuple[int, int], bias: bool) -> None:
    for shape in [(2,), (0,), ()]:
        results, x = [], some(*shape, sizes[0])
        for kind in CELLS[name]:
            torch.manual_seed(0)
            results.append(values_and_grads(kind(*sizes, bias=bias, dtype=torch.float64), x))
        for ours, theirs in zip(*results, strict=True):
            assert worst(ours, theirs) <= 16 * EPS


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("sizes", [(0, 4), (3, 0), (-1, 4), (3, -1)])
def test_layers_reject_sizes_of_zero_as_torch_does(kind: str, sizes: tuple[int, int]) -> None:
    for module in (nn, torch.nn):
        with pytest.raises(ValueError, match="input_size" if sizes[0] < 1 else "hidden_size"):
            getattr(module, kind)(*sizes)


@pytest.mark.parametrize("sizes", [(-1, 4), (3, -1)])
def test_negative_sizes_of_cells_are_rejected(sizes: tuple[int, int]) -> None:
    for cell in (nn.RNNCell, nn.LSTMCell, nn.GRUCell):
        for error in (CallError, RuntimeError):  # torch.nn raises a RuntimeError
            with pytest.raises(error, match="is -1; expected an integer of at least 0"):
                cell(*sizes)


def test_the_usual_initialization_of_no_units() -> None:
    assert cells.uniform(0) == cells.Uniform(0.0, 0.0)
