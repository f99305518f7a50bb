"""How the norm of the gradient changes on its way back through time. Pascanu et al. 2013, arXiv:1211.5063."""

from __future__ import annotations

import numpy as np

from .cell import Array, Cell, Params
from .over_time import forward


def gradient_norms(cell: Cell, p: Params, x: Array) -> list[float]:
    """Return the norm of the gradient with respect to the state 0, 1, ..., T steps before the end.

    The gradient at the end has equal values and norm 1, in the last component of the state (c of an LSTM).

    Args:
        cell: the cell.
        p: its parameters.
        x: (B, T, I), the input; B is at least 1.

    Returns:
        T + 1 norms over all components and sequences; the first is 1.

    Raises:
        ValueError: if shapes, names or dtypes do not match, or there is no sequence.

    Example:
        >>> import numpy as np
        >>> from recurra.bptt import RNN, gradient_norms
        >>> cell, rng = RNN("relu"), np.random.default_rng(0)
        >>> p = cell.parameters(1, 4, rng)
        >>> p["weight_hh"] = 0.5 * np.eye(4)
        >>> p["weight_ih"], p["bias_ih"] = np.zeros((4, 1)), np.ones(4)  # every unit is active
        >>> gradient_norms(cell, p, np.zeros((1, 3, 1)))
        [1.0, 0.5, 0.25, 0.125]
    """
    run = forward(cell, p, x)
    if not len(x):
        raise ValueError(f"x is {x.shape}; expected at least one sequence")
    dstate = tuple(np.zeros_like(component) for component in run.final_state)
    dstate[-1][...] = 1 / np.sqrt(dstate[-1].size)
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    norms = [1.0]
    for cache in reversed(run.caches):
        _, dstate = cell.step_backward(dstate, cache, p, dp)
        norms.append(float(np.sqrt(sum(float(np.sum(component**2)) for component in dstate))))
    return norms
