"""Dropout of the kinds that sequences want. All are the identity in evaluation mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def between_layers(p: float, num_layers: int) -> float:
    """p, or 0 for a single layer: `Recurrent` refuses a dropout that has no place to act."""
    return p if num_layers > 1 else 0.0


class LockedDropout(nn.Module):
    """One mask per row for all its time steps. Gal and Ghahramani 2016, arXiv:1512.05287.

    x (B, T, I): features dropped with probability p, the others scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * mask


class TokenDropout(nn.Module):
    """Tokens (B, T) become `unknown` with probability p; padding stays."""

    def __init__(self, p: float, *, pad: int, unknown: int) -> None:
        super().__init__()
        self.p, self.pad, self.unknown = p, pad, unknown

    def forward(self, ids: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return ids
        dropped = (torch.rand(ids.shape, device=ids.device) < self.p) & (ids != self.pad)
        return torch.where(dropped, self.unknown, ids)
