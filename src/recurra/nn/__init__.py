"""Layers: `Recurrent` for any cell, and drop-ins for torch.nn's recurrent layers."""

from __future__ import annotations

from .cells import GRUCell, LSTMCell, RNNCell
from .recurrent import Recurrent
from .rnn import GRU, LSTM, RNN
from .state import State
from .stepper import Stepper

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "Recurrent", "State", "Stepper"]
