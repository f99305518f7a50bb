"""What a cell must be, checked where a person's own comes in: one line that says what came and what was wanted."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CallError, RecurraError, near
from .base import Cell, Parameter


def check_class(cls: type[Cell]) -> None:
    """CallError when `cls` lacks a method, names gates that it does not define, or is no dataclass but has options."""
    who = f"cell {cls.__name__}"
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise CallError(f"{who} does not define {', '.join(missing)}")
    if not isinstance(cls.gates, tuple) or not all(isinstance(gate, str) for gate in cls.gates):
        raise CallError(f"{who}: gates is {cls.gates!r}; wanted a tuple of names, as ('f', 'n')")
    if cls.gates and cls.gates_of is Cell.gates_of:
        raise CallError(f"{who} names the gates {', '.join(cls.gates)} and does not define gates_of; define it")
    for name, kind in inspect.get_annotations(cls).items():
        if name not in cls.__dataclass_fields__ and "ClassVar" not in str(kind):
            raise CallError(f"{who} has the option {name} and is no dataclass; write @dataclass(frozen=True) over it")


def check_options(cls: type[Cell], options: Mapping[str, Any]) -> None:
    """CallError when `cls` has no such option, or a value is of another type than the option's default."""
    known = {field.name: field.default for field in fields(cls) if field.init}
    for name, value in options.items():
        if name not in known:
            raise CallError(f"cell {cls.name!r} has no option {name!r}; {near(name, known)}")
        kind = type(known[name])
        if kind not in (bool, int, float, str):  # no default, or one that says nothing about the type
            continue
        number = kind is float and type(value) is int
        if type(value) is not kind and not number:
            raise CallError(
                f"cell {cls.name!r}: option {name} is {value!r}; wanted a {kind.__name__}, as {known[name]!r}"
            )


def check_parameters(cell: Cell, parameters: Any) -> None:
    """CallError unless `parameters` is what `cell.parameters` should give: a dict from name to Parameter."""
    wanted = "wanted a dict from name to Parameter(shape, init)"
    if not isinstance(parameters, Mapping):
        raise CallError(f"{cell}: parameters gave {_short(parameters)}; {wanted}")
    if not parameters:
        raise CallError(f"{cell}: parameters gave none; wanted at least one")
    for name, parameter in parameters.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise CallError(f"{cell}: parameters has the name {name!r}; wanted one that is a Python name, as weight_ih")
        if not isinstance(parameter, Parameter):
            raise CallError(f"{cell}: parameters has {_short(parameter)} at {name}; {wanted}")
        if not (isinstance(parameter.shape, tuple) and all(isinstance(size, int) for size in parameter.shape)):
            raise CallError(f"{cell}: the shape of {name} is {parameter.shape!r}; wanted a tuple of integers")
        if not callable(parameter.init):
            raise CallError(f"{cell}: the init of {name} is {_short(parameter.init)}; wanted a function of a tensor")


def check_sizes(cell: Cell, sizes: Any) -> None:
    """CallError unless `sizes` is what `cell.state_sizes` should give: a dict from each part of the state to an int."""
    if not isinstance(sizes, Mapping) or tuple(sizes) != cell.states:
        came = f"a dict of {', '.join(map(str, sizes)) or 'nothing'}" if isinstance(sizes, Mapping) else _short(sizes)
        raise CallError(
            f"{cell}: state_sizes gave {came}; wanted a dict from {', '.join(cell.states)}, in this order, to an int"
        )
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise CallError(f"{cell}: state_sizes gave {size!r} for {name}; wanted an int of at least 1")


def failure(cell: Cell, error: Exception) -> CallError | None:
    """What to tell of an `error` that somebody's own cell raised: the place in their file. None: it is not theirs."""
    kind = type(cell)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None or kind.__module__.startswith("recurra.") or isinstance(error, RecurraError):
        return None
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if not own:
        return None
    said = (str(error).strip().splitlines() or [""])[0]
    where = f"{Path(file).name}, line {own[-1].lineno}, in {own[-1].name}"
    return CallError(f"{cell}: {type(error).__name__} at {where}: {said}")


def check_step(cell: Cell, before: tuple[Tensor, ...], after: Any) -> None:
    """CallError unless `after` has the parts and shapes of `before`, the state that went into `cell.step`."""
    wanted = f"{cell.state_type.__name__}({', '.join(cell.states)})"
    if not isinstance(after, tuple):
        raise CallError(f"{cell}: step gave {_short(after)}; wanted {wanted}")
    if len(after) != len(before):
        parts = f"{len(after)} part" + ("" if len(after) == 1 else "s")
        raise CallError(f"{cell}: step gave {parts}; wanted {wanted}")
    for name, new, old in zip(cell.states, after, before, strict=True):
        if not isinstance(new, Tensor):
            raise CallError(f"{cell}: step gave {_short(new)} as {name}; wanted a tensor {tuple(old.shape)}")
        if new.shape != old.shape:
            came = f"{tuple(new.shape)} came out of step, {tuple(old.shape)} went in"
            raise CallError(f"{cell}: {name} changed its shape: {came}; wanted the same")


def _short(value: Any) -> str:
    """What came, in a few words: a tensor by its shape, the rest by its type."""
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
