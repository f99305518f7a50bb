"""Optimization: two ways to clip gradients, and Adagrad. All functions change arrays in place.

A gradient that is a product of Jacobians can explode, and a single such step moves the parameters far away. Clipping
bounds it:

    by value   g = min(max(g, -limit), limit)     each number by itself; the direction may change
    by norm    g = g * min(1, radius / |g|)       |g| is the norm of all gradients together; the direction is kept.
                                                  Pascanu et al. 2013, arXiv:1211.5063

Adagrad (Duchi et al. 2011, JMLR 12). Each parameter value has its own learning rate, which decreases as its squared
gradients accumulate:

    s = s + g^2
    v = v - rate * g / sqrt(s + 1e-8)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .cell import Array


def clip_value(grads: Iterable[Array], limit: float) -> None:
    """Clip every value of `grads` to [-limit, limit]. Raises ValueError unless limit > 0."""
    if not limit > 0:
        raise ValueError(f"limit is {limit}; expected a number above 0")
    for g in grads:
        np.clip(g, -limit, limit, out=g)


def clip_norm(grads: Iterable[Array], radius: float) -> float:
    """Scale `grads` so that their norm, taken over all of them, is at most `radius`.

    Returns the norm before scaling. Raises ValueError unless radius > 0.
    """
    if not radius > 0:
        raise ValueError(f"radius is {radius}; expected a number above 0")
    grads = list(grads)
    norm = float(np.sqrt(sum(float(np.sum(g * g)) for g in grads)))
    if norm > radius:
        for g in grads:
            g *= radius / norm
    return norm


class Adagrad:
    """The Adagrad optimizer.

    Args:
        params: the arrays that `step` changes in place.
        rate: the learning rate, above 0. ValueError otherwise.
    """

    def __init__(self, params: Iterable[Array], rate: float) -> None:
        if not rate > 0:
            raise ValueError(f"rate is {rate}; expected a number above 0")
        self.params, self.rate = list(params), rate
        self.sums = [np.zeros_like(v) for v in self.params]

    def step(self, grads: Iterable[Array]) -> None:
        """Update the parameters with `grads`, in the order of the parameters."""
        for v, s, g in zip(self.params, self.sums, grads, strict=True):
            s += g * g
            v -= self.rate * g / np.sqrt(s + 1e-8)
