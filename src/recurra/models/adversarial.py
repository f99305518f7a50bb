"""Adversarial training of input vectors: Miyato, Dai and Goodfellow 2017, arXiv:1605.07725.

The vectors of a row, (T, E), are moved a given length to where its loss grows fastest, and the network learns that the
target is the same there:

    r = size * g / |g|,   g = the gradient of the loss by the row's vectors

Words seen a few times have vectors of little meaning; what holds around them all holds for words never seen too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class PerturbableInput(nn.Module):
    """The identity on vectors (B, T, E), unless adversarial training moves them."""

    def __init__(self) -> None:
        super().__init__()
        self.listens = False
        self.vectors: Tensor | None = None
        self.by: Tensor | None = None

    def forward(self, vectors: Tensor) -> Tensor:
        if self.listens and vectors.requires_grad:
            vectors.retain_grad()
            self.vectors = vectors
        return vectors if self.by is None else vectors + self.by


def training_step(
    network: nn.Module, loss: Callable[[], Tensor], size: float, backward: Callable[[Tensor], None]
) -> Tensor:
    """The gradient of the mean of `loss()` and of `loss()` with every row's vectors moved by `size`; returns that mean.

    Each call of `loss` runs `network` anew; `backward` adds to the gradients of its parameters. `size` 0: of `loss()` alone.
    """
    if not size:
        plain = loss()
        backward(plain)
        return plain.detach()
    places = [module for module in network.modules() if isinstance(module, PerturbableInput)]
    try:
        for place in places:
            place.listens = True
        plain = loss() / 2
        backward(plain)
        for place in places:
            place.listens = False
            if place.vectors is not None and (gradient := place.vectors.grad) is not None:
                length = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(gradient.dtype).tiny)
                place.by = gradient * (size / length)[:, None, None]
        moved = loss() / 2
        backward(moved)
        return (plain + moved).detach()
    finally:
        for place in places:
            place.listens, place.vectors, place.by = False, None, None
