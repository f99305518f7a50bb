"""Dropout for sequences: variational dropout of features and dropout of tokens. Both do nothing in evaluation mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def between_layers(p: float, num_layers: int) -> float:
    """Return p, or 0 for a single layer, for which `Recurrent` does not accept a dropout between layers."""
    return p if num_layers > 1 else 0.0


class LockedDropout(nn.Module):
    """Variational ("locked") dropout: one mask per sequence for all its time steps.

    In training each feature of a sequence is zero with probability p, and the others are scaled by 1 / (1 - p).
    Reference: Gal and Ghahramani 2016, arXiv:1512.05287.

    Args:
        p: probability of dropping a feature, 0 <= p < 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, T, I) with dropped features."""
        if not self.training or self.p == 0.0:
            return x
        mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * mask


class TokenDropout(nn.Module):
    """Word dropout: in training each token is replaced by the unknown token with probability p. Padding is not replaced.

    Args:
        p: probability of replacing a token.
        pad: id of the padding token.
        unknown: id of the unknown token.
    """

    def __init__(self, p: float, *, pad: int, unknown: int) -> None:
        super().__init__()
        self.p, self.pad, self.unknown = p, pad, unknown

    def forward(self, ids: Tensor) -> Tensor:
        """Return the token ids (B, T) with replaced tokens."""
        if not self.training or self.p == 0.0:
            return ids
        dropped = (torch.rand(ids.shape, device=ids.device) < self.p) & (ids != self.pad)
        return torch.where(dropped, self.unknown, ids)
