"""The recurrences, one a file, and their registry.

`get("lstm")`, `get(LSTM)` and `get(LSTM())` are the same cell. A name always means a built-in cell: a user's own class
has no name here and is given as a class, on the command line and in config.yaml as `file.py:Class` or `module:Class`.
"""

from __future__ import annotations

import inspect
from typing import Any

from ..errors import CallError, near, short
from .base import Cell as Cell
from .base import Hidden as Hidden
from .base import Parameter as Parameter
from .base import Params as Params
from .base import Uniform as Uniform
from .base import gated_parameters as gated_parameters
from .base import role_of as role_of
from .base import uniform as uniform
from .check import check_class as check_class
from .check import check_instance as check_instance
from .check import check_options as check_options
from .check import check_parameters as check_parameters
from .check import check_sizes as check_sizes
from .check import check_step as check_step
from .check import failure as failure
from .check import first_line as first_line
from .check import initial_state_of as initial_state_of
from .check import no_default as no_default
from .check import options_without_default as options_without_default
from .check import place_of as place_of
from .check import problem as problem
from .check import raised_at as raised_at
from .check import reporting as reporting
from .lstm import LSTMState as LSTMState

# isort: off
# The built-in cells, one line each, in the order of docs/cells.md: a Cell imported here is exported and registered.
from .rnn import RNN as RNN
from .lstm import LSTM as LSTM
from .gru import GRU as GRU
from .peephole_lstm import PeepholeLSTM as PeepholeLSTM
from .coupled_lstm import CoupledLSTM as CoupledLSTM
from .ln_lstm import LayerNormLSTM as LayerNormLSTM
from .gru_before import GRUBefore as GRUBefore
from .gru_textbook import GRUTextbook as GRUTextbook
from .ln_gru import LayerNormGRU as LayerNormGRU
from .mgu import MGU as MGU

# isort: on

_built_in: dict[str, type[Cell]] = {
    cls.name: cls
    for cls in tuple(vars().values())
    if inspect.isclass(cls) and issubclass(cls, Cell) and cls is not Cell
}


def names() -> tuple[str, ...]:
    """Return the names of the built-in cells."""
    return tuple(_built_in)


def get(spec: str | Cell | type[Cell], **options: Any) -> Cell:
    """Return the cell meant by the name of a built-in cell, a class or an instance.

    `options` are the fields of the cell; an instance has its own. Raises CallError for an unknown name or option and for
    a class that is not a complete cell.
    """
    if isinstance(spec, Cell):
        if options:
            raise CallError(f"cell is the instance {spec!r}; pass the options to its constructor: {options}")
        check_class(type(spec))
        check_instance(spec)
        return spec
    if isinstance(spec, str):
        if spec not in _built_in:
            raise CallError(f"unknown cell {short(spec)}; {near(spec, _built_in)}")
        spec = _built_in[spec]
    if not (inspect.isclass(spec) and issubclass(spec, Cell)):
        raise CallError(
            f"cell is {short(spec)}; expected a name ({', '.join(_built_in)}), a Cell class or an instance of one"
        )
    check_class(spec)
    check_options(spec, options)
    return spec(**options)
