"""Optimization: two ways to clip gradients, and three optimizers. All functions change arrays in place.

A gradient that is a product of Jacobians can explode, and a single such step moves the parameters far away. Clipping
bounds it:

    by value   g = min(max(g, -limit), limit)     each number by itself; the direction may change
    by norm    g = g * min(1, radius / |g|)       |g| is the norm of all gradients together; the direction is kept.
                                                  Pascanu et al. 2013, arXiv:1211.5063

SGD, with momentum m (0 for none). The direction d is an accumulated gradient:

    d = m * d + g
    v = v - rate * d

Adagrad (Duchi et al. 2011, JMLR 12). Each parameter value has its own learning rate, which decreases as its squared
gradients accumulate:

    s = s + g^2
    v = v - rate * g / sqrt(s + 1e-8)

Adam (Kingma and Ba 2015, arXiv:1412.6980). Decaying means of the gradient and of its square, both divided at step t = 1, 2, ...
by the total weight of their terms, because they start at zero:

    a = b1 * a + (1 - b1) * g
    s = b2 * s + (1 - b2) * g^2
    v = v - rate * (a / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + 1e-8)
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


def _check_rate(rate: float) -> None:
    if not rate > 0:
        raise ValueError(f"rate is {rate}; expected a number above 0")


class SGD:
    """Stochastic gradient descent with momentum.

    Args:
        params: the arrays that `step` changes in place.
        rate: the learning rate, above 0. ValueError otherwise.
        momentum: m, from 0 to below 1. ValueError otherwise.
    """

    def __init__(self, params: Iterable[Array], rate: float, momentum: float = 0.0) -> None:
        _check_rate(rate)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; expected a number from 0 to below 1")
        self.params, self.rate, self.momentum = list(params), rate, momentum
        self.directions = [np.zeros_like(v) for v in self.params]

    def step(self, grads: Iterable[Array]) -> None:
        """Update the parameters with `grads`, in the order of the parameters."""
        for v, d, g in zip(self.params, self.directions, grads, strict=True):
            d *= self.momentum
            d += g
            v -= self.rate * d


class Adagrad:
    """The Adagrad optimizer.

    Args:
        params: the arrays that `step` changes in place.
        rate: the learning rate, above 0. ValueError otherwise.
    """

    def __init__(self, params: Iterable[Array], rate: float) -> None:
        _check_rate(rate)
        self.params, self.rate = list(params), rate
        self.sums = [np.zeros_like(v) for v in self.params]

    def step(self, grads: Iterable[Array]) -> None:
        """Update the parameters with `grads`, in the order of the parameters."""
        for v, s, g in zip(self.params, self.sums, grads, strict=True):
            s += g * g
            v -= self.rate * g / np.sqrt(s + 1e-8)


class Adam:
    """The Adam optimizer.

    Args:
        params: the arrays that `step` changes in place.
        rate: the learning rate, above 0. ValueError otherwise.
        betas: the decays b1 and b2 of the two means, each from 0 to below 1. ValueError otherwise.
    """

    def __init__(self, params: Iterable[Array], rate: float, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        _check_rate(rate)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas are {betas}; expected two numbers from 0 to below 1")
        self.params, self.rate, self.betas, self.steps = list(params), rate, betas, 0
        self.means = [np.zeros_like(v) for v in self.params]
        self.squares = [np.zeros_like(v) for v in self.params]

    def step(self, grads: Iterable[Array]) -> None:
        """Update the parameters with `grads`, in the order of the parameters."""
        self.steps += 1
        b1, b2 = self.betas
        for v, a, s, g in zip(self.params, self.means, self.squares, grads, strict=True):
            a *= b1
            a += (1 - b1) * g
            s *= b2
            s += (1 - b2) * g * g
            v -= self.rate * (a / (1 - b1**self.steps)) / (np.sqrt(s / (1 - b2**self.steps)) + 1e-8)
