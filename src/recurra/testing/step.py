"""Checks of one time step: parameters, projection, step, gates, bias convention, initial state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import cells
from ..cells.convert import double_bias, single_bias
from .reporting import distance, magnitude, reporting, sizes_beside

_EPS = torch.finfo(torch.float64).eps


def draw(cell: cells.Cell, I: int, H: int, bias: bool, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the parameters, initialized by the cell; a little is added to the trainable ones, so that one that starts
    at 0 takes part in every check."""
    call = f"parameters({I}, {H}, {bias})"
    with reporting(cell, call, "parameters"):
        declared, again = cell.parameters(I, H, bias), cell.parameters(I, H, bias)
    cells.check_parameters(cell, declared)
    if [(name, p.shape) for name, p in declared.items()] != [(name, p.shape) for name, p in again.items()]:
        raise cells.problem(cell, f"{call} returned other names or shapes when it was called again", "parameters")
    seed = int(torch.randint(1 << 30, ()))
    params, repeated = (_initialised(cell, declared, seed, I, H, bias, dtype) for _ in range(2))
    for name, tensor in params.items():
        if not torch.equal(tensor, repeated[name]):
            message = (
                f"{name} is initialized differently after the same torch.manual_seed; draw from torch's numbers alone"
            )
            raise cells.problem(cell, message, _initialiser(cell))
        if declared[name].trainable:
            tensor += 0.1 * torch.rand(tensor.shape, dtype=dtype)
    return params


def _initialiser(cell: cells.Cell) -> str:
    """Return the method that gives the parameters their initial values."""
    return "parameters" if type(cell).initialize is cells.Cell.initialize else "initialize"


def _initialised(
    cell: cells.Cell,
    declared: dict[str, cells.Parameter],
    seed: int,
    I: int,
    H: int,
    bias: bool,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    params = {name: torch.full(parameter.shape, torch.nan, dtype=dtype) for name, parameter in declared.items()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        with reporting(cell, f"initialize({I}, {H}, {bias})", _initialiser(cell)):
            cell.initialize(params, I, H, bias)
    for name, tensor in params.items():
        if not tensor.isfinite().all():
            what = f"the init of {name} does not fill the tensor it is given, in place"
            if _initialiser(cell) == "initialize":
                what = f"initialize does not fill {name} in place"
            raise cells.problem(cell, what, _initialiser(cell))
    return params


def random_state(cell: cells.Cell, B: int, H: int, dtype: torch.dtype) -> Any:
    """Return a state of random numbers in [-0.5, 0.5], (B, H) for each component."""
    sizes = cell.state_sizes(H)
    cells.check_sizes(cell, sizes)
    return cell.state_type(*(torch.rand(B, size, dtype=dtype) - 0.5 for size in sizes.values()))


def check_step(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    """Check that `project` treats all time steps equally, and that `step` is pure and preserves shapes and dtypes."""
    B, T = sizes_beside(I, H)
    dtype = next(iter(params.values())).dtype
    x, state = torch.randn(T, B, I, dtype=dtype), random_state(cell, B, H, dtype)
    with reporting(cell, f"project of x {(T, B, I)}", "project"):
        projected = cell.project(x, params)
        one_step = cell.project(x[1], params)
    if not isinstance(projected, Tensor):
        raise cells.problem(cell, f"project returned a {type(projected).__name__}; expected one tensor", "project")
    if projected.shape[:2] != (T, B):
        came = f"project of x {(T, B, I)} returned {tuple(projected.shape)}"
        raise cells.problem(cell, f"{came}; expected {(T, B)}, and then any", "project")
    tolerance = 64 * torch.finfo(dtype).eps * magnitude(one_step)
    if projected.shape[1:] != one_step.shape or distance(projected[1], one_step) > tolerance:
        message = "project of one time step is not that step of project of all; it must not mix steps"
        raise cells.problem(cell, message, "project")
    inputs = {"projected": projected[0], **dict(zip(cell.states, state, strict=True)), **params}
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    with reporting(cell, f"step on projected {tuple(projected[0].shape)}", "step"):
        after, again = cell.step(projected[0], state, params), cell.step(projected[0], state, params)
    for name, tensor in inputs.items():
        if not torch.equal(tensor, before[name]):
            raise cells.problem(cell, f"step changed {name} in place; expected a new tensor", "step")
    cells.check_step(cell, state, after)
    for name, component, other in zip(cell.states, after, again, strict=True):
        if component.dtype != dtype:
            message = f"step returned {name} in {component.dtype} from {dtype}; expected the dtype that came in"
        elif not component.isfinite().all():
            message = f"step returned {name} that is not finite, on inputs of size one"
        elif not torch.equal(component, other):
            message = f"step returned another {name} when it was called again; expected a pure function"
        else:
            continue
        raise cells.problem(cell, message, "step")
    if cell.has_initial_state:
        initial, repeated = (cells.initial_state_of(cell, H, params) for _ in range(2))
        if not all(torch.equal(a, b) for a, b in zip(initial, repeated, strict=True)):
            message = "initial_state returned another state when it was called again; expected a pure function"
            raise cells.problem(cell, message, "initial_state")


def check_used(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    """Check that another value of each parameter gives other states; at H = 1, where a normalization gives 0, nothing."""
    B, T = sizes_beside(I, H)
    x, state = torch.randn(T, B, I, dtype=torch.float64), random_state(cell, B, H, torch.float64)

    def run(params: cells.Params) -> Tensor:
        now: Any = state
        if cell.has_initial_state:
            initial = cells.initial_state_of(cell, H, params)
            now = cell.state_type(*(a + b for a, b in zip(state, initial, strict=True)))
        states = []
        for projected in cell.project(x, params):
            now = cell.state_type(*cell.step(projected, now, params))
            states.append(torch.cat(now, dim=-1))
        return torch.stack(states)

    with reporting(cell, f"{T} steps", "step"):
        expected = run(params)
    for name, tensor in params.items() if H > 1 else ():
        moved = tensor + 0.5 + torch.rand(tensor.shape, dtype=tensor.dtype)
        try:
            far = distance(run({**params, name: moved}), expected)
        except Exception:  # a fixed parameter that cannot have this value is used
            continue
        if far <= 64 * _EPS * magnitude(expected):
            message = f"the parameter {name} has no effect on the state; use it, or leave it out of parameters"
            raise cells.problem(cell, message, "parameters")


def check_gates(cell: cells.Cell, options: dict[str, Any], params: dict[str, Tensor], I: int, H: int) -> None:
    """Check that `gates_of` gives the gates that the cell names, and that `step` uses what it gives."""
    B, _ = sizes_beside(I, H)
    state = random_state(cell, B, H, torch.float64)
    projected = cell.project(torch.randn(B, I, dtype=torch.float64), params)
    with reporting(cell, "gates_of", "gates_of"):
        gates = cell.gates_of(projected, state, params)
    if not isinstance(gates, dict) or tuple(gates) != cell.gates:
        came = f"the gates {', '.join(gates)}" if isinstance(gates, dict) else f"a {type(gates).__name__}"
        expected = f"expected a dict of {', '.join(cell.gates) or 'no gate'}"
        raise cells.problem(cell, f"gates_of returned {came}; {expected}", "gates_of")
    for name, gate in gates.items():
        if gate.shape != (B, H):
            message = f"gates_of returned {name} as {tuple(gate.shape)}; expected (B, H) = {(B, H)}"
            raise cells.problem(cell, message, "gates_of")
    after = cell.step(projected, state, params)
    moved = _with_moved_gates(cell, options).step(projected, state, params)
    if cell.gates and all(torch.equal(a, b) for a, b in zip(after, moved, strict=True)):
        message = "other gates from gates_of change nothing in step; begin step with self.gates_of(...)"
        raise cells.problem(cell, message, "step")


def _with_moved_gates(cell: cells.Cell, options: dict[str, Any]) -> Any:
    """Return the same cell with other gates, to see whether `step` uses them. (Some may act on others in gates_of.)"""
    cls = type(cell)

    def gates_of(self: Any, projected: Tensor, state: Any, params: cells.Params) -> dict[str, Tensor]:
        return {name: 0.5 * gate + 0.1 for name, gate in cls.gates_of(self, projected, state, params).items()}

    return type(cls.__name__, (cls,), {"name": cls.name, "gates_of": gates_of})(**options)


def check_bias(cell: cells.Cell, params: dict[str, Tensor], I: int, H: int) -> None:
    """Check `separate_hidden_bias`: merging the two biases of all other gates leaves the step as it is."""
    if cell.separate_hidden_bias is None:
        return
    where = f"separate_hidden_bias is {cell.separate_hidden_bias!r}"
    shapes = {name: tuple(params[name].shape) for name in ("bias_ih", "bias_hh") if name in params}
    if shapes != dict.fromkeys(("bias_ih", "bias_hh"), (len(cell.gates) * H,)):
        advice = f"expected bias_ih and bias_hh, (G*H,) = {(len(cell.gates) * H,)} each, or separate_hidden_bias = None"
        raise cells.problem(cell, f"{where}, and the biases are {shapes or 'missing'}; {advice}", "parameters")
    B, _ = sizes_beside(I, H)
    x, state = torch.randn(B, I, dtype=torch.float64), random_state(cell, B, H, torch.float64)
    merged = double_bias(cell, single_bias(cell, params))
    expected, after = (cell.step(cell.project(x, p), state, p) for p in (params, merged))
    for name, a, b in zip(cell.states, expected, after, strict=True):
        if distance(a, b) > 256 * _EPS * magnitude(a):
            raise cells.problem(cell, f"{where}, and merging bias_hh into bias_ih changes {name}", "step")
