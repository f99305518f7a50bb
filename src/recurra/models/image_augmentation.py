"""Normalization of images inside a network, and their random translation in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ImageNormalization(nn.Module):
    """Standardizes images of bytes. In training mode each image is also translated at random.

    Pixels that enter at a border are 0, the darkest value.

    Args:
        shape: (H, W, C) of the images.
        mean: mean of the bytes of the training data.
        std: standard deviation of the bytes of the training data.
        random_shift: largest translation in pixels, in each direction.
    """

    like: Tensor

    def __init__(self, shape: tuple[int, int, int], mean: float, std: float, random_shift: int = 0) -> None:
        super().__init__()
        self.shape, self.mean, self.std, self.random_shift = shape, mean, std, random_shift
        self.register_buffer("like", torch.zeros(()), persistent=False)  # has the dtype of the network

    def forward(self, x: Tensor) -> Tensor:
        """Map bytes (B, T, W*C) to standardized values of the same shape, in the dtype of the network."""
        if self.training and self.random_shift and x.shape[1]:
            x = shift_randomly(x.reshape(*x.shape[:2], *self.shape[1:]), self.random_shift).flatten(2)
        return (x.to(self.like.dtype) - self.mean) / self.std


def shift_randomly(images: Tensor, max_shift: int) -> Tensor:
    """Translate each image of (B, H, W, C) by random whole numbers of pixels from -max_shift to max_shift.

    The vertical and the horizontal translation are independent. Pixels that enter at a border are 0.
    """
    B, H, W, _ = images.shape
    padded = nn.functional.pad(images, (0, 0, max_shift, max_shift, max_shift, max_shift))
    down, right = torch.randint(0, 2 * max_shift + 1, (2, B, 1), device=images.device)
    rows = (torch.arange(H, device=images.device) + down)[:, :, None]
    columns = (torch.arange(W, device=images.device) + right)[:, None, :]
    return padded[torch.arange(B, device=images.device)[:, None, None], rows, columns]
