"""`check_cell(MyCell())`: every law that a cell must keep, tried on a cell of one's own in a few seconds.

    from recurra.testing import check_cell

    def test_my_cell():
        check_cell(MyCell())

It says nothing when all is well, and raises CallError with one line that names what is broken.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.nn.functional import pad

from . import cells, nn, ops
from .errors import CallError

Outcome = dict[str, Tensor]
_LENGTHS = (5, 0, 3, 1)
_LOOSEST = 1e-8  # where float32 is of no use to measure by
_EPS = torch.finfo(torch.float64).eps


def check_cell(cell: cells.Cell | type[cells.Cell] | str, *, input_size: int = 3, hidden_size: int = 4) -> None:
    """Hold `cell` to its contract and to the laws of recurra.

    parameters and step   names, shapes, filled by their init; step is pure, keeps shape and dtype of each part
    gates                 those of `gates_of` are the ones named, and `step` goes by them
    padded = alone, batch = its rows in any order, chunks = whole, auto = reference
                          two layers of it, on rows of different length: values, last state, every gradient
    gradcheck, gradgradcheck
    saved = loaded        options and weights; a deep copy has its own

    A cell that wants other sizes is given them. Tolerances follow from the error of the cell itself in float32.
    Raises CallError with one line. Draws from torch's random numbers and leaves their state as it was.
    """
    cell = cells.get(cell)
    I, H = input_size, hidden_size
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        options = _check_options(cell)
        for bias in (True, False):
            for dtype in (torch.float64, torch.float32):
                _check_step(cell, _draw(cell, I, H, bias, dtype), I, H)
        _check_gates(cell, options, _draw(cell, I, H, True, torch.float64), I, H)
        _check_laws(cell, I, H)
        _check_gradients(cell, _draw(cell, I, H, True, torch.float64), I, H)
        _check_saved(cell, options, I, H)


@contextmanager
def _telling(cell: cells.Cell, what: str) -> Iterator[None]:
    """What the cell's own code raises, in one line."""
    try:
        yield
    except CallError:
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise CallError(f"{cell}: {what} failed with {type(error).__name__}: {said}") from error


# one step ---------------------------------------------------------------------------------------------------------------
def _check_options(cell: cells.Cell) -> dict[str, Any]:
    """The options, which a run keeps in its config.yaml."""
    options = {field.name: getattr(cell, field.name) for field in fields(cell) if field.init}
    for name, value in options.items():
        if not isinstance(value, bool | int | float | str):
            raise CallError(f"{cell}: the option {name} is a {type(value).__name__}; wanted a bool, int, float or str")
    again = cells.get(type(cell), **json.loads(json.dumps(options)))
    if again != cell:
        raise CallError(f"{cell}: saved = loaded is broken: made again from its options {options} it is {again}")
    return options


def _draw(cell: cells.Cell, I: int, H: int, bias: bool, dtype: torch.dtype) -> dict[str, Tensor]:
    """The parameters, filled by their init; a little is added, so that one that starts at 0 has a part in every law."""
    with _telling(cell, f"parameters({I}, {H}, {bias})"):
        asked, again = cell.parameters(I, H, bias), cell.parameters(I, H, bias)
        cells.check_parameters(cell, asked)
        if [(name, p.shape) for name, p in asked.items()] != [(name, p.shape) for name, p in again.items()]:
            raise CallError(f"{cell}: parameters({I}, {H}, {bias}) gave other names or shapes when it was called again")
        params = {}
        for name, parameter in asked.items():
            params[name] = torch.full(parameter.shape, torch.nan, dtype=dtype)
            parameter.init(params[name])
            if not params[name].isfinite().all():
                raise CallError(f"{cell}: the init of {name} does not fill the tensor it is given, in place")
            params[name] += 0.1 * torch.rand(parameter.shape, dtype=dtype)
    return params


def _first(cell: cells.Cell, B: int, H: int, dtype: torch.dtype) -> Any:
    sizes = cell.state_sizes(H)
    cells.check_sizes(cell, sizes)
    return cell.state_type(*(torch.rand(B, size, dtype=dtype) - 0.5 for size in sizes.values()))


def _check_step(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    B, T = 4, 3
    dtype = next(iter(params.values())).dtype if params else torch.float64
    x, state = torch.randn(T, B, I, dtype=dtype), _first(cell, B, H, dtype)
    with _telling(cell, f"project of x {(T, B, I)}"):
        projected = cell.project(x, params)
        alone = cell.project(x[1], params)
    if not isinstance(projected, Tensor):
        raise CallError(f"{cell}: project gave a {type(projected).__name__}; wanted one tensor")
    if projected.shape[:2] != (T, B):
        raise CallError(f"{cell}: project of x {(T, B, I)} gave {tuple(projected.shape)}; wanted {T, B}, and then any")
    if projected.shape[1:] != alone.shape or distance(projected[1], alone) > 64 * torch.finfo(dtype).eps * magnitude(
        alone
    ):
        raise CallError(f"{cell}: project of one time step is not that step of project of all; it must not mix steps")
    given = {"projected": projected[0], **dict(zip(cell.states, state, strict=True)), **params}
    before = {name: tensor.clone() for name, tensor in given.items()}
    with _telling(cell, f"step on projected {tuple(projected[0].shape)}"):
        after, again = cell.step(projected[0], state, params), cell.step(projected[0], state, params)
    for name, tensor in given.items():
        if not torch.equal(tensor, before[name]):
            raise CallError(f"{cell}: step changed {name} in place; wanted a new tensor")
    cells.check_step(cell, state, after)
    for name, part, other in zip(cell.states, after, again, strict=True):
        if part.dtype != dtype:
            raise CallError(f"{cell}: step gave {name} in {part.dtype} from {dtype}; wanted the dtype that came in")
        if not part.isfinite().all():
            raise CallError(f"{cell}: step gave {name} that is not finite, on inputs of size one")
        if not torch.equal(part, other):
            raise CallError(f"{cell}: step gave another {name} when it was called again; wanted a pure function")


def _check_gates(cell: cells.Cell, options: dict[str, Any], params: dict[str, Tensor], I: int, H: int) -> None:
    B = 4
    state = _first(cell, B, H, torch.float64)
    projected = cell.project(torch.randn(B, I, dtype=torch.float64), params)
    with _telling(cell, "gates_of"):
        gates = cell.gates_of(projected, state, params)
    if not isinstance(gates, dict) or tuple(gates) != cell.gates:
        came = f"the gates {', '.join(gates)}" if isinstance(gates, dict) else f"a {type(gates).__name__}"
        raise CallError(f"{cell}: gates_of gave {came}; wanted a dict of {', '.join(cell.gates) or 'no gate'}")
    for name, gate in gates.items():
        if gate.shape != (B, H):
            raise CallError(f"{cell}: gates_of gave {name} as {tuple(gate.shape)}; wanted (B, H) = {B, H}")
    after = cell.step(projected, state, params)
    moved = _with_moved_gates(cell, options).step(projected, state, params)
    if cell.gates and all(torch.equal(a, b) for a, b in zip(after, moved, strict=True)):
        raise CallError(f"{cell}: other gates from gates_of change nothing in step; begin step with self.gates_of(...)")


def _with_moved_gates(cell: cells.Cell, options: dict[str, Any]) -> Any:
    """The same cell with other gates, to see whether `step` goes by them. (Some may act on others inside gates_of.)"""
    kind = type(cell)

    def gates_of(self: Any, projected: Tensor, state: Any, params: cells.Params) -> dict[str, Tensor]:
        return {name: 0.5 * gate + 0.1 for name, gate in kind.gates_of(self, projected, state, params).items()}

    return type(kind.__name__, (kind,), {"name": kind.name, "gates_of": gates_of})(**options)


# over time --------------------------------------------------------------------------------------------------------------
def _check_laws(cell: cells.Cell, I: int, H: int) -> None:
    lengths = torch.tensor(_LENGTHS)
    x = torch.randn(len(_LENGTHS), max(_LENGTHS), I, dtype=torch.float64)
    dead = torch.arange(x.shape[1]) >= lengths[:, None]
    x = x.masked_fill(dead[:, :, None], torch.nan)  # what stands in the padding has no part in anything
    for bidirectional, laws in ((True, _LAWS), (False, {"chunks = whole": run_in_chunks})):
        layer = _layer(cell, I, H, num_layers=2, bidirectional=bidirectional)
        first = layer.initial_state(len(_LENGTHS)).map(lambda part: torch.rand_like(part) - 0.5)
        other = nn.Recurrent(cell, I, H, num_layers=2, bidirectional=bidirectional, dtype=torch.float32)
        other.load_state_dict(layer.state_dict())
        given, single = (layer, x, first), (other, x.float(), first.to(torch.float32))
        with _telling(cell, "running it over time"):
            whole = outcome_of(run_whole, *given, lengths)
        for name, tensor in whole.items():
            if not tensor.isfinite().all():
                raise CallError(f"{cell}: {name} is not finite over {max(_LENGTHS)} steps, on inputs of size one")
        ways = {}
        for law, run in laws.items():
            with _telling(cell, f"the law {law!r}"):
                ways[law] = outcome_of(run, *given, lengths), outcome_of(run, *single, lengths)
        # What rounding does to this cell is measured in float32, where it differs by a few times from one order of
        # summing to another; hence the 8. A law that is broken is off by thousands of times more.
        rounded = [outcome_of(run_whole, *single, lengths), *(in_float32 for _, in_float32 in ways.values())]
        off = max(
            distance(one[name].double(), tensor) / magnitude(tensor)
            for one in rounded
            for name, tensor in whole.items()
        )
        tolerance = min(8 * off * _EPS / torch.finfo(torch.float32).eps, _LOOSEST) + 64 * _EPS
        for law, (outcome, _) in ways.items():
            for name, tensor in whole.items():
                far, allowed = distance(outcome[name], tensor), tolerance * magnitude(tensor)
                if not far <= allowed:
                    said = f"{name} is off by {far:.1e}, allowed are {allowed:.1e}"
                    raise CallError(f"{cell}: the law {law!r} is broken: {said}")


def _layer(cell: cells.Cell, I: int, H: int, **options: Any) -> nn.Recurrent:
    layer = nn.Recurrent(cell, I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.rand_like(parameter), alpha=0.1)
    return layer


def outcome_of(run: Callable[..., Any], layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> Outcome:
    """y, the last state, and the gradient of every input, when the layer is run in one way or another."""
    x, first = x.clone().requires_grad_(), first.map(lambda part: part.clone().requires_grad_())
    y, last = run(layer, x, first, lengths)
    values = {"y": y} | {f"the last {name}": part for name, part in last.tensors().items()}
    leaves = {"x": x} | {f"the first {name}": part for name, part in first.tensors().items()}
    leaves |= dict(layer.named_parameters())
    scale = torch.linspace(-1, 1, y.shape[2], dtype=y.dtype)
    loss = (y * scale).sin().sum()
    for k, part in enumerate(last.tensors().values()):
        loss = loss + (k + 1) * part.sin().sum()
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    gradients = {
        f"the gradient of {name}": torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
    }
    return {name: tensor.detach() for name, tensor in (values | gradients).items()}


def run_whole(layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    return layer(x, first, lengths=lengths)  # type: ignore[no-any-return]


def run_alone(layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """Each row by itself, cut to its length; one without steps keeps its first state."""
    ys, lasts = [], []
    for row, length in enumerate(lengths.tolist()):
        y, last = x.new_zeros(1, 0, layer.output_size), first.rows([row])
        if length:
            y, last = layer(x[row : row + 1, :length], last)
        ys.append(pad(y, (0, 0, 0, x.shape[1] - length)))
        lasts.append(last.tensors())
    return torch.cat(ys), nn.State({name: torch.cat([last[name] for last in lasts]) for name in lasts[0]})


def run_reordered(layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    order = torch.tensor([2, 0, 3, 1])
    y, last = layer(x[order], first.rows(order), lengths=lengths[order])
    return y[order.argsort()], last.rows(order.argsort())


def run_in_chunks(layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    """In pieces, the state handed on."""
    ys, state, t = [], first, 0
    for size in (1, 3, x.shape[1] - 4):
        y, state = layer(x[:, t : t + size], state, lengths=(lengths - t).clamp(0, size))
        ys.append(y)
        t += size
    return torch.cat(ys, dim=1), state


def _reference(layer: nn.Recurrent, x: Tensor, first: nn.State, lengths: Tensor) -> tuple[Tensor, nn.State]:
    other = copy.copy(layer)  # the same parameters
    other.backend = "reference"
    return run_whole(other, x, first, lengths)


_LAWS = {"padded = alone": run_alone, "batch = its rows in any order": run_reordered, "auto = reference": _reference}


# gradients, saving ------------------------------------------------------------------------------------------------------
def _check_gradients(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    B, T = 2, 2
    state, names = _first(cell, B, H, torch.float64), ["x", *cell.states, *params]
    inputs = [torch.randn(B, T, I, dtype=torch.float64), *state, *params.values()]
    inputs, S = [tensor.requires_grad_() for tensor in inputs], len(state)

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        call = ops.Call(cell, x, None, rest[:S], rest[S:], H, True, False)
        return tuple(ops.execute(call, "reference"))

    for check, of in ((torch.autograd.gradcheck, "gradient"), (torch.autograd.gradgradcheck, "second derivative")):
        try:
            check(run, inputs, fast_mode=False)
        except Exception as error:  # gradcheck's own, or the cell's
            said = str(error).strip()
            place = re.search(r"with respect to input (\d+)", said)
            if place and int(place[1]) < len(names):
                what = f"the {of} by {names[int(place[1])]} is not that of the values"
            elif "expected to be zero" in said or "does not require grad" in said:
                what = f"no {of} comes back, though the values move; something in step cuts it (detach, item, no_grad)"
            else:
                what = f"the {of} failed with {type(error).__name__}: {said.splitlines()[0] if said else ''}"
            raise CallError(f"{cell}: {check.__name__}: {what}") from error


def _check_saved(cell: cells.Cell, options: dict[str, Any], I: int, H: int) -> None:
    layer, x = _layer(cell, I, H), torch.randn(2, 3, I, dtype=torch.float64)
    again = nn.Recurrent(cells.get(type(cell), **options), I, H, dtype=torch.float64)
    again.load_state_dict(load(save(layer.state_dict())))
    with _telling(cell, "copy.deepcopy of a layer"):
        other = copy.deepcopy(layer)
    y = layer(x)[0]
    if not torch.equal(again(x)[0], y):
        raise CallError(f"{cell}: saved = loaded is broken: a layer with the same options and weights gives another y")
    if not torch.equal(other(x)[0], y):
        raise CallError(f"{cell}: a deep copy of a layer gives another y")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    if not torch.equal(layer(x)[0], y):
        raise CallError(f"{cell}: a change to a deep copy of a layer changed the layer")


def distance(a: Tensor, b: Tensor) -> float:
    """The largest difference; NaN counts as the worst, and so does another shape."""
    if a.shape != b.shape:
        return float("inf")
    return (a - b).abs().nan_to_num(nan=float("inf")).max().item() if a.numel() else 0.0


def magnitude(a: Tensor) -> float:
    return max(1.0, a.detach().abs().max().item()) if a.numel() else 1.0
