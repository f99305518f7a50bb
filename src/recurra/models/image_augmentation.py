"""Images in a network: bytes as standardised numbers, moved a little in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """Rows of bytes (B, T, W*C) as standardised numbers; in training each image is moved by up to `shift` pixels.

    What comes in at a side is the darkest the image knows, the byte 0.
    """

    like: Tensor

    def __init__(self, shape: tuple[int, int, int], mean: float, std: float, shift: int = 0) -> None:
        super().__init__()
        self.shape, self.mean, self.std, self.shift = shape, mean, std, shift
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W*C) bytes -> the same shape, in the arithmetic of the network."""
        if self.training and self.shift and x.shape[1]:
            x = moved(x.reshape(*x.shape[:2], *self.shape[1:]), self.shift).flatten(2)
        return (x.to(self.like.dtype) - self.mean) / self.std


def moved(images: Tensor, most: int) -> Tensor:
    """Images (B, H, W, C), each moved down and right by whole numbers drawn from -most to most; zeros come in."""
    B, H, W, _ = images.shape
    padded = nn.functional.pad(images, (0, 0, most, most, most, most))
    down, right = torch.randint(0, 2 * most + 1, (2, B, 1), device=images.device)
    rows = (torch.arange(H, device=images.device) + down)[:, :, None]
    columns = (torch.arange(W, device=images.device) + right)[:, None, :]
    return padded[torch.arange(B, device=images.device)[:, None, None], rows, columns]
