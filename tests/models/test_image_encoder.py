"""Encoders of images and features: the size of the map, and the mean of the valid vectors."""

from __future__ import annotations

import pytest
import torch

from recurra.models.image_encoder import FeatureEncoder, ImageEncoder, map_size


@pytest.mark.parametrize(
    ("shape", "size"),
    [((16, 32, 1), (8, 16)), ((8, 8, 3), (8, 8)), ((28, 28, 1), (7, 7)), ((65, 64, 3), (8, 8)), ((1, 5, 1), (1, 5))],
)
def test_the_map_has_the_documented_size(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    assert map_size(shape) == size
    encoder = ImageEncoder(shape, 100.0, 50.0, width=16, random_shift=0, dropout=0.0)
    values, summary = encoder(torch.zeros(2, shape[0], shape[1] * shape[2], dtype=torch.uint8))
    assert values.shape == (2, size[0] * size[1], encoder.output_size) and encoder.grid == size
    torch.testing.assert_close(summary, values.mean(1))


def test_the_mean_of_features_is_over_the_valid_vectors() -> None:
    encoder = FeatureEncoder(3, width=4, dropout=0.0)
    x = torch.randn(2, 3, 3)
    values, summary = encoder(x, torch.tensor([3, 1]))
    torch.testing.assert_close(values, torch.tanh(x @ encoder.map.weight.T + encoder.map.bias))
    torch.testing.assert_close(summary, torch.stack([values[0].mean(0), values[1, 0]]))
    torch.testing.assert_close(encoder(x)[1], values.mean(1))
