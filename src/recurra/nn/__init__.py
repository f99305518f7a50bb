"""Recurrent layers: `Recurrent` for any cell, and drop-in replacements for torch.nn's recurrent layers and cells.

All layers accept sequences of different lengths, resets within a sequence and options such as recurrent dropout.
`State` is the state of a layer, `Stepper` runs a layer one time step at a time, and `quantize` rounds its weights to 8 bits.
`from_mask` converts a mask to lengths, and `export` prepares exported programs. `init` has initializations, `constraints`
constraints on recurrent matrices, `penalties` L1, L2, AR and TAR, and `clipping` two kinds of gradient clipping.
See docs/layers.md.
"""

from __future__ import annotations

from . import clipping, constraints, export, flops, init, penalties
from .cells import GRUCell, LSTMCell, RNNCell
from .gru import GRU
from .lstm import LSTM
from .mask import FromMask, from_mask
from .quantize import quantize
from .recurrent import Recurrent
from .rnn import RNN
from .state import State
from .stepper import Stepper

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "FromMask",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Recurrent",
    "State",
    "Stepper",
    "clipping",
    "constraints",
    "export",
    "flops",
    "from_mask",
    "init",
    "penalties",
    "quantize",
]
