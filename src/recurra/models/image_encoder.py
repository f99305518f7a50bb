"""Encoders of what a caption is about: an image, or feature vectors that somebody else's network made of one.

Both give what a decoder asks for: values (B, N, V) to attend to, and their summary (B, V).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .image_augmentation import Pixels

SMALLEST = 8  # the map that convolutions leave has about so many places on its shorter side
WAVES = 2  # of each coordinate: the sines and cosines of 1, 2, ... turns over the side


class ImageEncoder(nn.Module):
    """Bytes (B, H, W*C) -> a vector for each place of a map, row after row, and their mean.

    Convolutions of stride 2 halve the sides (LeCun et al. 1989); one more of stride 1 looks around each place. Each is
    followed by a norm over the image itself (Wu and He 2018, arXiv:1803.08494), so no image hangs on its batch. Place
    (i, j) of the map sees pixels around the middle of its share of the image. Coordinates go in as channels (Liu et al.
    2018, arXiv:1807.03247) and stand, with their waves, in the vectors that come out: attention can go by places.
    """

    def __init__(
        self, shape: tuple[int, int, int], mean: float, std: float, *, width: int, shift: int, dropout: float
    ) -> None:
        super().__init__()
        height, columns, channels = shape
        self.shape, self.pixels = shape, Pixels(shape, mean, std, shift)
        halvings = _halvings(height, columns)
        sizes = [max(width >> max(halvings - 1 - k, 0), 16) for k in range(halvings)]
        layers: list[nn.Module] = []
        before = channels + 2
        for size in sizes:
            layers += _block(before, size, stride=2)
            before = size
        layers += _block(before, width, stride=1)
        self.layers = nn.Sequential(*layers)
        self.grid = map_size(shape)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("places", _places(height, columns), persistent=False)
        at = _places(*self.grid).flatten(1).T  # (N, 2)
        turns = torch.arange(1, WAVES + 1) * math.pi
        waves = (at[:, :, None] * turns).flatten(1)
        self.register_buffer("where", torch.cat([at, waves.sin(), waves.cos()], dim=1), persistent=False)
        self.output_size = width + self.where.shape[1]

    places: Tensor  # (2, H, W)
    where: Tensor  # (N, 2 + 4 * WAVES)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        image = self.pixels(x).unflatten(2, self.shape[1:]).movedim(3, 1)
        places = self.places.expand(len(x), -1, -1, -1).to(image.dtype)
        seen = self.layers(torch.cat([image, places], dim=1)).flatten(2).transpose(1, 2)  # (B, N, width)
        values = torch.cat([self.dropout(seen), self.where.to(image.dtype).expand(len(x), -1, -1)], dim=2)
        return values, values.mean(1)


def map_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """(rows, columns) of the map that the encoder makes of images of the shape (H, W, C)."""
    height, width, _ = shape
    halvings = _halvings(height, width)
    return height >> halvings, width >> halvings


def _halvings(height: int, width: int) -> int:
    """How many convolutions of stride 2 there are."""
    return max(round(math.log2(max(min(height, width) / SMALLEST, 1))), 0)


def _block(before: int, after: int, *, stride: int) -> list[nn.Module]:
    """With stride 2 the kernel is 4 wide, so that a place lies in the middle of the four it is made of."""
    kernel = 4 if stride == 2 else 3
    convolution = nn.Conv2d(before, after, kernel, stride, padding=1, bias=False)
    return [convolution, nn.GroupNorm(math.gcd(after, 8), after), nn.ReLU()]


def _places(height: int, width: int) -> Tensor:
    """The middle of each place, from -1 to 1: (2, H, W), down and right."""
    down, right = ((torch.arange(size) + 0.5) * 2 / size - 1 for size in (height, width))
    return torch.stack([down[:, None].expand(height, width), right[None].expand(height, width)])


class FeatureEncoder(nn.Module):
    """Feature vectors (B, N, F), of which `lengths (B,)` count -> tanh(W f + b), (B, N, V), and the mean of the live ones."""

    def __init__(self, features: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.map, self.dropout, self.output_size = nn.Linear(features, width), nn.Dropout(dropout), width

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        values = self.dropout(torch.tanh(self.map(x.to(self.map.weight.dtype))))
        if lengths is None:
            return values, values.mean(1)
        live = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return values, (values * live[..., None]).sum(1) / lengths.clamp(min=1).to(values)[:, None]
