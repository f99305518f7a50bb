"""Encoders for captioning: a convolutional encoder of images, and a linear encoder of precomputed feature vectors.

Both return what a decoder with attention reads: vectors to attend to, (B, N, V), and their mean as a summary, (B, V).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .image_augmentation import ImageNormalization

MIN_SIDE = 8  # approximate length of the shorter side of the feature map
NUM_WAVES = 2  # frequencies of the sine and cosine features of each coordinate


class ImageEncoder(nn.Module):
    """Encodes images of bytes (B, H, W*C) as a feature map: one vector for each position, row by row, and their mean.

    Convolutions of stride 2 halve the sides (LeCun et al. 1989); one more of stride 1 follows. Each convolution is followed
    by group normalization (Wu and He 2018, arXiv:1803.08494), which uses one image alone, so the result for an image does
    not depend on the batch. Position (i, j) of the map is centered on the corresponding region of the image. Two input
    channels contain the coordinates (Liu et al. 2018, arXiv:1807.03247). The output vectors contain the coordinates of their
    position, with sines and cosines, so that attention can depend on position.

    Args:
        shape: (H, W, C) of the images.
        mean: mean of the bytes of the training data.
        std: standard deviation of the bytes of the training data.
        width: number of channels of the feature map.
        random_shift: largest random translation in training, in pixels.
        dropout: dropout probability of the feature map.

    Example:
        >>> encoder = ImageEncoder((16, 32, 1), mean=100.0, std=50.0, width=16, random_shift=0, dropout=0.0)
        >>> values, summary = encoder(torch.zeros(2, 16, 32, dtype=torch.uint8))
        >>> encoder.grid, tuple(values.shape), tuple(summary.shape)
        ((8, 16), (2, 128, 26), (2, 26))
    """

    coordinates: Tensor  # (2, H, W)
    position_features: Tensor  # (N, 2 + 4 * NUM_WAVES)

    def __init__(
        self, shape: tuple[int, int, int], mean: float, std: float, *, width: int, random_shift: int, dropout: float
    ) -> None:
        super().__init__()
        height, columns, channels = shape
        self.shape, self.pixels = shape, ImageNormalization(shape, mean, std, random_shift)
        halvings = _num_halvings(height, columns)
        sizes = [max(width >> max(halvings - 1 - k, 0), 16) for k in range(halvings)]
        layers: list[nn.Module] = []
        in_channels = channels + 2
        for size in sizes:
            layers += _block(in_channels, size, stride=2)
            in_channels = size
        layers += _block(in_channels, width, stride=1)
        self.layers = nn.Sequential(*layers)
        self.grid = map_size(shape)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("coordinates", _coordinates(height, columns), persistent=False)
        centers = _coordinates(*self.grid).flatten(1).T  # (N, 2)
        frequencies = torch.arange(1, NUM_WAVES + 1) * math.pi
        angles = (centers[:, :, None] * frequencies).flatten(1)
        features = torch.cat([centers, angles.sin(), angles.cos()], dim=1)
        self.register_buffer("position_features", features, persistent=False)
        self.output_size = width + self.position_features.shape[1]

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the feature map (B, N, V) and its mean (B, V). `lengths` is not used: all images have one size."""
        image = self.pixels(x).unflatten(2, self.shape[1:]).movedim(3, 1)
        coordinates = self.coordinates.expand(len(x), -1, -1, -1).to(image.dtype)
        features = self.layers(torch.cat([image, coordinates], dim=1)).flatten(2).transpose(1, 2)  # (B, N, width)
        positions = self.position_features.to(image.dtype).expand(len(x), -1, -1)
        values = torch.cat([self.dropout(features), positions], dim=2)
        return values, values.mean(1)


def map_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return (rows, columns) of the feature map of images of the shape (H, W, C)."""
    height, width, _ = shape
    halvings = _num_halvings(height, width)
    return height >> halvings, width >> halvings


def _num_halvings(height: int, width: int) -> int:
    """Return the number of convolutions of stride 2."""
    return max(round(math.log2(max(min(height, width) / MIN_SIDE, 1))), 0)


def _block(in_channels: int, out_channels: int, *, stride: int) -> list[nn.Module]:
    """Return convolution, normalization and ReLU. With stride 2 the kernel has 4 rows, centered on the pixels it merges."""
    kernel = 4 if stride == 2 else 3
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=1, bias=False)
    return [convolution, nn.GroupNorm(math.gcd(out_channels, 8), out_channels), nn.ReLU()]


def _coordinates(height: int, width: int) -> Tensor:
    """Return the centers of the positions, from -1 to 1, vertical and horizontal: (2, H, W)."""
    down, right = ((torch.arange(size) + 0.5) * 2 / size - 1 for size in (height, width))
    return torch.stack([down[:, None].expand(height, width), right[None].expand(height, width)])


class FeatureEncoder(nn.Module):
    """Encodes feature vectors (B, N, F) as tanh(W f + b), (B, N, V), and their mean over the valid vectors, (B, V).

    Args:
        features: F, the number of features of a vector.
        width: V, the size of an encoded vector.
        dropout: dropout probability of the encoded vectors.
    """

    def __init__(self, features: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.map, self.dropout, self.output_size = nn.Linear(features, width), nn.Dropout(dropout), width

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the encoded vectors and their mean. `lengths (B,)` are the numbers of valid vectors; None: all of them."""
        values = self.dropout(torch.tanh(self.map(x.to(self.map.weight.dtype))))
        if lengths is None:
            return values, values.mean(1)
        valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return values, (values * valid[..., None]).sum(1) / lengths.clamp(min=1).to(values)[:, None]
