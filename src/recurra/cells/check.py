"""Checks of user-defined cells. A message is one line: the value, what was expected, and the file and line of the cell."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CallError, RecurraError, near
from .base import ROLES, Cell, Parameter, Params

_OPTION_TYPES = (bool, int, float, str)


def place_of(cls: type[Cell], method: str = "") -> str:
    """Return ` (file.py, line N)`, where `method` of a user's own cell is defined, or else the class; "" for a cell of
    recurra and where no file is known."""
    ours = Path(__file__).parents[1]
    if cls.__module__.startswith("recurra."):
        return ""
    code = getattr(getattr(cls, method, None), "__code__", None) if method else None
    if code is not None and not Path(code.co_filename).is_relative_to(ours):
        return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})"
    try:
        file, (_, line) = inspect.getsourcefile(cls), inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return ""
    return f" ({Path(file).name}, line {line})" if file else ""


def problem(cell: Cell, message: str, method: str = "") -> CallError:
    """Return the error that reports `message` about `method` of a cell, or about its class."""
    return CallError(f"{cell}: {message}{place_of(type(cell), method)}")


def check_class(cls: type[Cell]) -> None:
    """Raise CallError when `cls` lacks a method, names gates that it does not define, or has options and is no
    dataclass."""
    who, place = f"cell {cls.__name__}", place_of(cls)
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise CallError(f"{who} does not define {', '.join(missing)}{place}")
    if not isinstance(cls.gates, tuple) or not all(isinstance(gate, str) for gate in cls.gates):
        raise CallError(f"{who}: gates is {cls.gates!r}; expected a tuple of names, as ('f', 'n'){place}")
    if cls.gates and cls.gates_of is Cell.gates_of:
        raise CallError(f"{who} names the gates {', '.join(cls.gates)} and does not define gates_of; define it{place}")
    declared = {
        "forget_gate": cls.forget_gate,
        "memory_gates": tuple(cls.memory_gates),
        "separate_hidden_bias": cls.separate_hidden_bias,
    }
    for attribute, named in declared.items():
        for gate in (named,) if isinstance(named, str) else named or ():
            if gate not in cls.gates:
                raise CallError(f"{who}: {attribute} is {named!r}, and {gate!r} is not one of its gates{place}")
    if set(cls.memory_gates.values()) - {1, -1}:
        raise CallError(f"{who}: memory_gates is {cls.memory_gates!r}; expected 1 or -1 for each gate{place}")
    for name, kind in inspect.get_annotations(cls).items():
        if name not in cls.__dataclass_fields__ and "ClassVar" not in str(kind):
            raise CallError(
                f"{who} has the option {name} but is not a dataclass; add @dataclass(frozen=True) above the class{place}"
            )


def options_without_default(cls: type[Cell]) -> list[str]:
    """Return the names of the options of `cls` that have no default value."""
    return [
        field.name
        for field in fields(cls)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    ]


def no_default(cls: type[Cell], option: str) -> CallError:
    """Return the error that reports an option without a default value."""
    return CallError(
        f"cell {cls.__name__}: the option {option} has no default value; give it one, as in "
        f"`{option}: float = 0.5`{place_of(cls)}"
    )


def check_options(cls: type[Cell], options: Mapping[str, Any]) -> None:
    """Raise CallError when `cls` has no such option, one without a default is missing, or a value has the wrong type."""
    known = {field.name: field.default for field in fields(cls) if field.init}
    for name, value in options.items():
        if name not in known:
            raise CallError(f"cell {cls.name!r} has no option {name!r}; {near(name, known)}")
        expected = type(known[name])
        if expected not in _OPTION_TYPES:  # no default, or one of another type
            _check_option(cls, name, value)
            continue
        is_number = expected is float and type(value) is int
        if type(value) is not expected and not is_number:
            raise CallError(
                f"cell {cls.name!r}: option {name} is {_short_value(value)}; expected a {expected.__name__}, as {known[name]!r}"
            )
    for name in options_without_default(cls):
        if name not in options:
            raise no_default(cls, name)


def check_instance(cell: Cell) -> None:
    """Raise CallError unless every attribute of the instance is an option whose value can be saved."""
    options = {field.name for field in fields(cell) if field.init}
    for name, value in vars(cell).items():
        if name not in options:
            raise CallError(
                f"cell {type(cell).__name__} has the attribute {name}, which is not an option and is not saved; make it an "
                f"option, a parameter or a class attribute{place_of(type(cell))}"
            )
        _check_option(type(cell), name, value)


def _check_option(cls: type[Cell], name: str, value: Any) -> None:
    if not isinstance(value, _OPTION_TYPES):
        raise CallError(
            f"cell {cls.__name__}: the option {name} is {_short(value)}; expected a bool, int, float or str{place_of(cls)}"
        )


def check_parameters(cell: Cell, parameters: Any) -> None:
    """Raise CallError unless `parameters` is what `cell.parameters` should return: a dict from name to Parameter."""
    expected = "expected a dict from name to Parameter(shape, init)"
    if not isinstance(parameters, Mapping):
        raise problem(cell, f"parameters returned {_short(parameters)}; {expected}", "parameters")
    if not parameters:
        raise problem(cell, "parameters returned none; expected at least one", "parameters")
    own_initialize = type(cell).initialize is not Cell.initialize
    for name, parameter in parameters.items():
        if not isinstance(name, str) or not name.isidentifier():
            message = f"parameters has the name {name!r}; expected one that is a Python name, as weight_ih"
        elif not isinstance(parameter, Parameter):
            message = f"parameters has {_short(parameter)} at {name}; {expected}"
        elif not (isinstance(parameter.shape, tuple) and all(isinstance(size, int) for size in parameter.shape)):
            message = f"the shape of {name} is {parameter.shape!r}; expected a tuple of integers"
        elif parameter.init is None and not own_initialize:
            message = f"{name} has no init; give it one, or define initialize"
        elif parameter.init is not None and not callable(parameter.init):
            message = f"the init of {name} is {_short(parameter.init)}; expected a function of a tensor"
        elif not isinstance(parameter.trainable, bool):
            message = f"trainable of {name} is {parameter.trainable!r}; expected True or False"
        elif parameter.role not in ("", *ROLES):
            message = f"the role of {name} is {parameter.role!r}; expected one of {', '.join(ROLES)}"
        else:
            continue
        raise problem(cell, message, "parameters")


def check_sizes(cell: Cell, sizes: Any) -> None:
    """Raise CallError unless `sizes` is what `cell.state_sizes` should return: a dict from each component to an int."""
    if not isinstance(sizes, Mapping) or tuple(sizes) != cell.states:
        came = f"a dict of {', '.join(map(str, sizes)) or 'nothing'}" if isinstance(sizes, Mapping) else _short(sizes)
        expected = f"expected a dict from {', '.join(cell.states)}, in this order, to an int"
        raise problem(cell, f"state_sizes returned {came}; {expected}", "state_sizes")
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            message = f"state_sizes returned {size!r} for {name}; expected an int of at least 1"
            raise problem(cell, message, "state_sizes")


def failure(cell: Cell, error: Exception) -> CallError | None:
    """Return what to report of an `error` that a user's own cell raised, with the place in their file; None when the
    error is not theirs."""
    where = raised_at(type(cell), error)
    if where is None or isinstance(error, RecurraError):
        return None
    return CallError(f"{cell}: {type(error).__name__} at {where}: {first_line(error)}")


@contextmanager
def reporting(cell: Cell) -> Iterator[None]:
    """Add the place in the user's file to an error that a method of their own cell raises inside the block."""
    try:
        yield
    except Exception as error:
        if report := failure(cell, error):
            raise report from error
        raise


def raised_at(cls: type[Cell], error: Exception) -> str | None:
    """Return `file.py, line N, in method` of the innermost frame of `error` in the file of a user's own cell, or None."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None or cls.__module__.startswith("recurra."):
        return None
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{Path(file).name}, line {own[-1].lineno}, in {own[-1].name}" if own else None


def first_line(error: Exception) -> str:
    """Return the first line of the message of `error`."""
    return (str(error).strip().splitlines() or [""])[0]


def check_step(cell: Cell, before: tuple[Tensor, ...], after: Any) -> None:
    """Raise CallError unless `after` has the components and shapes of `before`, the state that went into `cell.step`."""
    _check_state(cell, "step", after, [tuple(component.shape) for component in before])
    for name, new, old in zip(cell.states, after, before, strict=True):
        if new.shape != old.shape:
            came = f"{tuple(new.shape)} came out of step, {tuple(old.shape)} went in"
            raise problem(cell, f"{name} changed its shape: {came}; expected the same", "step")


def initial_state_of(cell: Cell, hidden_size: int, params: Params) -> list[Tensor]:
    """Return the state before the first time step, (size,) for each component.

    Raises CallError when `cell.initial_state` fails or returns anything else.
    """
    with reporting(cell):
        state = cell.initial_state(hidden_size, params)
    like, sizes = next(iter(params.values())), cell.state_sizes(hidden_size)
    if state is None:
        return [like.new_zeros(size) for size in sizes.values()]
    _check_state(cell, "initial_state", state, [(size,) for size in sizes.values()])
    for (name, size), component in zip(sizes.items(), state, strict=True):
        if component.shape != (size,):
            shape = tuple(component.shape)
            message = f"initial_state returned {name} as {shape}; expected {(size,)}, the same for every sequence"
            raise problem(cell, message, "initial_state")
        if component.dtype != like.dtype or component.device != like.device:
            came = f"in {component.dtype} on {component.device}; expected {like.dtype} on {like.device}"
            advice = "as the parameters: params[...].new_full(...)"
            raise problem(cell, f"initial_state returned {name} {came}, {advice}", "initial_state")
    return list(state)


def _check_state(cell: Cell, method: str, state: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise CallError unless `state` has as many components as there are shapes, all of them tensors."""
    expected = f"{cell.state_type.__name__}({', '.join(cell.states)})"
    if not isinstance(state, tuple):
        raise problem(cell, f"{method} returned {_short(state)}; expected {expected}", method)
    if len(state) != len(shapes):
        count = f"{len(state)} component" + ("" if len(state) == 1 else "s")
        raise problem(cell, f"{method} returned {count}; expected {expected}", method)
    for name, component, shape in zip(cell.states, state, shapes, strict=True):
        if not isinstance(component, Tensor):
            raise problem(cell, f"{method} returned {_short(component)} as {name}; expected a tensor {shape}", method)


def _short(value: Any) -> str:
    """Return a description of `value` in a few words: a tensor by its shape, anything else by its type."""
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _short_value(value: Any) -> str:
    return _short(value) if isinstance(value, Tensor | torch.nn.Module) else repr(value)
