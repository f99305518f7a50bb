"""The recurrences, one a file, and their registry.

`get("lstm")`, `get(LSTM)` and `get(LSTM())` are the same cell. A name needs registration, a class or an instance
does not.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ..errors import CallError, near
from .base import Cell, Hidden, Parameter, Params, gated_parameters, uniform
from .check import check_class, check_options, check_parameters, check_sizes, check_step, failure
from .coupled_lstm import CoupledLSTM
from .gru import GRU
from .gru_before import GRUBefore
from .gru_textbook import GRUTextbook
from .ln_gru import LayerNormGRU
from .ln_lstm import LayerNormLSTM
from .lstm import LSTM, LSTMState
from .mgu import MGU
from .peephole_lstm import PeepholeLSTM
from .rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "MGU",
    "RNN",
    "Cell",
    "CoupledLSTM",
    "GRUBefore",
    "GRUTextbook",
    "Hidden",
    "LSTMState",
    "LayerNormGRU",
    "LayerNormLSTM",
    "Parameter",
    "Params",
    "PeepholeLSTM",
    "check_class",
    "check_parameters",
    "check_sizes",
    "check_step",
    "failure",
    "gated_parameters",
    "get",
    "names",
    "register",
    "uniform",
]

_C = TypeVar("_C", bound=type[Cell])
_registry: dict[str, type[Cell]] = {}


def register(cls: _C) -> _C:
    """Make a cell known by its name; also usable as a decorator. A name is given once."""
    if _registry.setdefault(cls.name, cls) is not cls:
        raise CallError(f"a cell named {cls.name!r} exists already; give {cls.__qualname__} another `name`")
    return cls


def names() -> tuple[str, ...]:
    """The names of the registered cells."""
    return tuple(_registry)


def get(spec: str | Cell | type[Cell], **options: Any) -> Cell:
    """The cell meant by a name, a class or an instance; `options` are the fields of the cell (not for an instance)."""
    if isinstance(spec, Cell):
        if options:
            raise CallError(f"cell is the instance {spec!r}; its options are set where it is made, not here: {options}")
        check_class(type(spec))
        return spec
    if isinstance(spec, str):
        if spec not in _registry:
            raise CallError(f"there is no cell {spec!r}; {near(spec, _registry)}")
        spec = _registry[spec]
    if not (inspect.isclass(spec) and issubclass(spec, Cell)):
        raise CallError(f"cell is {spec!r}; wanted a name ({', '.join(_registry)}), a Cell class or an instance of one")
    check_class(spec)
    check_options(spec, options)
    return spec(**options)


for _cls in (RNN, LSTM, GRU, PeepholeLSTM, CoupledLSTM, LayerNormLSTM, GRUBefore, GRUTextbook, LayerNormGRU, MGU):
    register(_cls)
