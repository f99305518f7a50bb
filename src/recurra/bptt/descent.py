"""From gradients to better parameters: two ways to clip, and Adagrad. All of them change arrays in place.

Along a product of Jacobians a gradient can explode, and one such step throws the parameters far away. Clipping bounds it:

    by value   g = min(max(g, -limit), limit)     each number alone; the direction may turn
    by norm    g = g * min(1, radius / |g|)       |g| over all parameters together: the ball of that radius is not left and
                                                  the direction stays. Pascanu et al. 2013, arXiv:1211.5063

Adagrad. Duchi et al. 2011, JMLR 12. Every number has a step size of its own, which falls as its gradients add up:

    s = s + g^2
    v = v - rate * g / sqrt(s + 1e-8)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .cell import Array


def clip_value(grads: Iterable[Array], limit: float) -> None:
    """Bring every number of `grads` between -limit and limit."""
    if not limit > 0:
        raise ValueError(f"limit is {limit}; wanted a number above 0")
    for g in grads:
        np.clip(g, -limit, limit, out=g)


def clip_norm(grads: Iterable[Array], radius: float) -> float:
    """Bring `grads`, all together one vector, into the ball of this radius; returns the norm that they had."""
    if not radius > 0:
        raise ValueError(f"radius is {radius}; wanted a number above 0")
    grads = list(grads)
    norm = float(np.sqrt(sum(float(np.sum(g * g)) for g in grads)))
    if norm > radius:
        for g in grads:
            g *= radius / norm
    return norm


class Adagrad:
    """Holds on to `params` and changes them at every `step`."""

    def __init__(self, params: Iterable[Array], rate: float) -> None:
        if not rate > 0:
            raise ValueError(f"rate is {rate}; wanted a number above 0")
        self.params, self.rate = list(params), rate
        self.sums = [np.zeros_like(v) for v in self.params]

    def step(self, grads: Iterable[Array]) -> None:
        """One step down; `grads` in the order of the parameters."""
        for v, s, g in zip(self.params, self.sums, grads, strict=True):
            s += g * g
            v -= self.rate * g / np.sqrt(s + 1e-8)
