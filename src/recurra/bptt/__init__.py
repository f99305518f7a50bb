"""Backpropagation through time by hand, in NumPy alone. To read: cell.py, rnn.py, over_time.py; then lstm.py and gru.py.

    import numpy as np
    from recurra.bptt import RNN, backward, forward

    cell, rng = RNN(), np.random.default_rng(0)
    p = cell.parameters(3, 5, rng)                      # I = 3, H = 5
    ran = forward(cell, p, rng.normal(size=(2, 7, 3)))  # B = 2, T = 7
    grads = backward(cell, p, ran, dy=ran.y)            # the loss is half the sum of y squared, so dy is y

The folder imports nothing else of recurra, so that it can be held against the rest.
"""

from __future__ import annotations

from .cell import Array, Cell, Params, State
from .descent import Adagrad, clip_norm, clip_value
from .gru import GRU
from .lstm import LSTM
from .over_time import Gradients, Pass, backward, forward
from .readout import cross_entropy, linear, linear_backward, linear_parameters, softmax, squared_error
from .rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Adagrad",
    "Array",
    "Cell",
    "Gradients",
    "Params",
    "Pass",
    "State",
    "backward",
    "clip_norm",
    "clip_value",
    "cross_entropy",
    "forward",
    "linear",
    "linear_backward",
    "linear_parameters",
    "softmax",
    "squared_error",
]
