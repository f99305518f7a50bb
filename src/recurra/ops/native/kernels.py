"""The cells that have a native kernel. This is the only list of them in Python; native/fields.h knows them by name."""

from __future__ import annotations

from typing import NamedTuple

from ...cells import GRU, LSTM, RNN, Cell
from ...cells.int8 import Int8GRU, Int8LSTM, Int8RNN


class KernelInfo(NamedTuple):
    """The name of a kernel, and how many numbers it saves for the backward pass, in units of H for each time step."""

    name: str
    saved: int


_KERNELS: dict[type[Cell], KernelInfo] = {
    RNN: KernelInfo("rnn_tanh", saved=1),
    LSTM: KernelInfo("lstm", saved=5),
    GRU: KernelInfo("gru", saved=4),
}
_RNN_RELU = KernelInfo("rnn_relu", saved=1)

CELLS: tuple[type[Cell], ...] = tuple(_KERNELS)

# The cells with 8-bit weights. Their kernels have the same names, and save nothing.
_FLOAT: dict[type[Cell], type[Cell]] = {Int8RNN: RNN, Int8LSTM: LSTM, Int8GRU: GRU}
INT8_CELLS: tuple[type[Cell], ...] = tuple(_FLOAT)


def kernel_of(cell: Cell) -> KernelInfo:
    """The kernel of a cell whose type is one of CELLS or INT8_CELLS."""
    if isinstance(cell, RNN) and cell.nonlinearity == "relu":
        return _RNN_RELU
    return _KERNELS[_FLOAT.get(type(cell), type(cell))]
