"""Checks over time: a layer gives the same values, final state and gradients however a batch is run.

padding invariance   a padded sequence gives what it gives alone
batch invariance     a batch gives what its sequences give in any order
chunking invariance  consecutive chunks, the state handed on, give what the whole gives
back-end agreement   the backend that `auto` chooses gives what the plain loop gives
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .. import cells, nn
from .reporting import distance, magnitude, reporting, sizes_beside

Outcome = dict[str, Tensor]
_LOOSEST = 1e-8  # where float32 is of no use to measure by
_EPS = torch.finfo(torch.float64).eps


def check_invariances(cell: cells.Cell, I: int, H: int) -> None:
    """Check all of them on two layers of `cell`, in float64, on sequences of different length."""
    B, T = sizes_beside(I, H)
    lengths = torch.tensor([(T, 0, T // 2, 1, 2)[b % 5] for b in range(B)])
    x = torch.randn(B, T, I, dtype=torch.float64)
    padding = torch.arange(T) >= lengths[:, None]
    x = x.masked_fill(padding[:, :, None], torch.nan)  # the values in the padding must have no effect
    for bidirectional, ways in ((True, _INVARIANCES), (False, {"chunking invariance": run_in_chunks})):
        layer = random_layer(cell, I, H, num_layers=2, bidirectional=bidirectional)
        initial = layer.initial_state(B).map(lambda component: torch.rand_like(component) - 0.5)
        other = nn.Recurrent(cell, I, H, num_layers=2, bidirectional=bidirectional, dtype=torch.float32)
        other.load_state_dict(layer.state_dict())
        in_float64, in_float32 = (layer, x, initial), (other, x.float(), initial.to(torch.float32))
        with reporting(cell, "running it over time", "step"):
            whole = outcome_of(run_whole, *in_float64, lengths)
        for name, tensor in whole.items():
            if not tensor.isfinite().all():
                raise cells.problem(cell, f"{name} is not finite over {T} steps, on inputs of size one", "step")
        outcomes = {}
        for invariance, run in ways.items():
            with reporting(cell, f"the check of {invariance}", "step"):
                outcomes[invariance] = outcome_of(run, *in_float64, lengths), outcome_of(run, *in_float32, lengths)
        # What rounding does to this cell is measured in float32, where it differs by a few times from one order of
        # summing to another; hence the 8. A violated invariance is off by thousands of times more.
        rounded = [outcome_of(run_whole, *in_float32, lengths), *(single for _, single in outcomes.values())]
        off = max(
            distance(one[name].double(), tensor) / magnitude(tensor)
            for one in rounded
            for name, tensor in whole.items()
        )
        tolerance = min(8 * off * _EPS / torch.finfo(torch.float32).eps, _LOOSEST) + 64 * _EPS
        for invariance, (outcome, _) in outcomes.items():
            for name, tensor in whole.items():
                far, allowed = distance(outcome[name], tensor), tolerance * magnitude(tensor)
                if not far <= allowed:
                    message = f"{invariance} is violated: {name} is off by {far:.1e}, allowed are {allowed:.1e}"
                    raise cells.problem(cell, message, "step")


def random_layer(cell: cells.Cell, I: int, H: int, **options: Any) -> nn.Recurrent:
    """Return a layer in float64; a little is added to its trainable parameters, so that none is 0."""
    layer = nn.Recurrent(cell, I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.rand_like(parameter), alpha=0.1)
    return layer


def outcome_of(run: Callable[..., Any], layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> Outcome:
    """Return y, the final state and the gradient of every input, by name, when `run` runs the layer."""
    x, initial = x.clone().requires_grad_(), initial.map(lambda component: component.clone().requires_grad_())
    y, final = run(layer, x, initial, lengths)
    values = {"y": y} | {f"the final {name}": component for name, component in final.tensors().items()}
    leaves = {"x": x} | {f"the initial {name}": component for name, component in initial.tensors().items()}
    leaves |= dict(layer.named_parameters())
    scale = torch.linspace(-1, 1, y.shape[2], dtype=y.dtype)
    loss = (y * scale).sin().sum()
    for k, component in enumerate(final.tensors().values()):
        loss = loss + (k + 1) * component.sin().sum()
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {
        f"the gradient of {name}": torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
    }
    return {name: tensor.detach() for name, tensor in (values | gradients).items()}


def run_whole(layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """Run the padded batch in one call."""
    return layer(x, initial, lengths=lengths)  # type: ignore[no-any-return]


def run_alone(layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """Run each sequence by itself, cut to its length; one without time steps keeps its initial state."""
    ys, finals = [], []
    for row, length in enumerate(lengths.tolist()):
        y, final = x.new_zeros(1, 0, layer.output_size), initial.rows([row])
        if length:
            y, final = layer(x[row : row + 1, :length], final)
        ys.append(pad(y, (0, 0, 0, x.shape[1] - length)))
        finals.append(final.tensors())
    return torch.cat(ys), nn.State({name: torch.cat([final[name] for final in finals]) for name in finals[0]})


def run_reordered(layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """Run the batch in another order, and restore the order of the outputs."""
    order = torch.arange(len(x)).flip(0).roll(2)
    y, final = layer(x[order], initial.rows(order), lengths=lengths[order])
    return y[order.argsort()], final.rows(order.argsort())


def run_in_chunks(layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """Run chunks of the time axis one after the other, the state handed on."""
    ys, state, t = [], initial, 0
    for size in (1, 3, x.shape[1] - 4):
        y, state = layer(x[:, t : t + size], state, lengths=(lengths - t).clamp(0, size))
        ys.append(y)
        t += size
    return torch.cat(ys, dim=1), state


def _run_reference(layer: nn.Recurrent, x: Tensor, initial: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    other = copy.copy(layer)  # the same parameters
    other.backend = "reference"
    return run_whole(other, x, initial, lengths)


_INVARIANCES = {
    "padding invariance": run_alone,
    "batch invariance": run_reordered,
    "back-end agreement": _run_reference,
}
