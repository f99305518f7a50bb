"""Delayed output of N-to-N networks in one direction: the output for a time step is given `delay` time steps later.

The network reads `delay` empty time steps (zeros) after the end of a sequence, and its first `delay` outputs are dropped:

    read     x[0] x[1] x[2]  0    0          delay = 2
    output    .    .   y[0] y[1] y[2]

Graves and Schmidhuber 2005, Neural Networks 18(5-6).
"""

from __future__ import annotations

import torch
from torch import Tensor


def with_empty_steps(x: Tensor, delay: int) -> Tensor:
    """Return x (B, T, ...) with `delay` time steps of zeros at the end.

    >>> with_empty_steps(torch.ones(1, 2), 3)
    tensor([[1., 1., 0., 0., 0.]])
    """
    return torch.cat([x, x.new_zeros(x.shape[0], delay, *x.shape[2:])], 1) if delay else x


def without_first_steps(y: Tensor, delay: int) -> Tensor:
    """Return the outputs y (B, T + delay, ...) without those that belong to no time step, (B, T, ...)."""
    return y[:, delay:]
