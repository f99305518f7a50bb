"""Backpropagation through time (BPTT) derived by hand, in NumPy.

Read cell.py, rnn.py and over_time.py first, then lstm.py, gru.py and readout.py. docs/bptt.md is the tutorial.

    >>> import numpy as np
    >>> from recurra.bptt import RNN, backward, forward
    >>> cell, rng = RNN(), np.random.default_rng(0)
    >>> p = cell.parameters(3, 5, rng)  # I = 3, H = 5
    >>> run = forward(cell, p, rng.normal(size=(2, 7, 3)))  # B = 2, T = 7
    >>> grads = backward(cell, p, run, dy=run.y)  # the loss is half the sum of y squared, so dy is y
    >>> grads.x.shape
    (2, 7, 3)

The package imports nothing else of recurra, so that it is an independent reference for the rest.
"""

from __future__ import annotations

from .cell import Array, Cell, Params, State
from .descent import SGD, Adagrad, Adam, clip_norm, clip_value
from .gru import GRU
from .lstm import LSTM
from .norms import gradient_norms
from .over_time import ForwardPass, Gradients, backward, forward
from .readout import cross_entropy, linear, linear_backward, linear_parameters, softmax, squared_error
from .rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adagrad",
    "Adam",
    "Array",
    "Cell",
    "ForwardPass",
    "Gradients",
    "Params",
    "State",
    "backward",
    "clip_norm",
    "clip_value",
    "cross_entropy",
    "forward",
    "gradient_norms",
    "linear",
    "linear_backward",
    "linear_parameters",
    "softmax",
    "squared_error",
]
