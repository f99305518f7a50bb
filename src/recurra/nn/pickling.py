"""Cells and options in plain types, of which the pickle of a layer consists.

`torch.load` with `weights_only=True` accepts plain types and tensors. So the class of the layer itself is the only one that has
to be allowed with `torch.serialization.add_safe_globals`, as for a layer of torch.nn.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import cells
from ..cells.int8 import Int8GRU, Int8LSTM, Int8RNN
from ..cells.lstmp import LSTMP
from .options import Options

_CLASSES: list[type[cells.Cell]] = [
    *(type(cells.get(name)) for name in cells.names()),
    LSTMP,
    Int8RNN,
    Int8LSTM,
    Int8GRU,
]
_BUILT_IN = {cls.name: cls for cls in _CLASSES}

PlainCell = tuple[str, dict[str, Any]] | cells.Cell


def plain_cell(cell: cells.Cell) -> PlainCell:
    """Return the name and the options of a built-in cell. A cell of another class remains as it is."""
    return (cell.name, asdict(cell)) if _BUILT_IN.get(cell.name) is type(cell) else cell


def cell_of(plain: PlainCell) -> cells.Cell:
    """Return the cell that `plain_cell` has described."""
    if isinstance(plain, cells.Cell):
        return plain
    name, options = plain
    return _BUILT_IN[name](**options)


def plain_options(options: Options) -> dict[str, Any]:
    """Return the options that differ from their defaults, as a dict of plain types."""
    zoneout = {} if isinstance(options.zoneout, (int, float)) else {"zoneout": dict(options.zoneout)}
    return options.non_default() | zoneout
