"""Images of colored shapes on a dark background, 40 x 40 pixels, with captions: "a red circle above a blue square"."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

COUNT, SIDE = 12_000, 40
COLORS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 230), "yellow": (230, 210, 40),
           "purple": (150, 50, 180), "white": (235, 235, 235)}  # fmt: skip
SHAPES: dict[
    str, Callable[[Array, Array], Array]
] = {  # x to the right and y down, from the center, in units of the radius
    "circle": lambda x, y: x**2 + y**2 <= 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 0.85,
    "triangle": lambda x, y: (abs(x) <= (y + 1) / 2) & (y <= 0.9),
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.33) & (np.maximum(abs(x), abs(y)) <= 1),
}
Shape = tuple[str, str, int, int, int]  # color, kind of shape, center (right, down), radius


def write_file(path: Path, count: int = COUNT) -> None:
    """Write a .npz file with the arrays image (N, 40, 40, 3), bytes, and text (N,). The random numbers have a fixed seed."""
    draw, noise = random.Random(0), np.random.default_rng(0)
    scenes = [scene(draw) for _ in range(count)]
    images = np.stack([paint(shapes, noise) for shapes, _ in scenes])
    with path.open("wb") as file:
        np.savez_compressed(file, image=images, text=np.array([text for _, text in scenes]))


def scene(draw: random.Random) -> tuple[list[Shape], str]:
    """Return one or two shapes, and the caption. It names the upper one of two shapes first, or the left one."""
    shapes = [_random_shape(draw)]
    if draw.random() < 0.1:
        return shapes, _describe(shapes[0])
    while len(shapes) < 2:
        other = _random_shape(draw)
        right, down = abs(other[2] - shapes[0][2]), abs(other[3] - shapes[0][3])
        is_separate = max(right, down) > other[4] + shapes[0][4] + 1
        if is_separate and max(right, down) >= 1.6 * min(right, down) and other[:2] != shapes[0][:2]:
            shapes.append(other)
    above = abs(shapes[0][3] - shapes[1][3]) > abs(shapes[0][2] - shapes[1][2])
    first, second = sorted(shapes, key=lambda shape: shape[3] if above else shape[2])
    return [first, second], f"{_describe(first)} {'above' if above else 'left of'} {_describe(second)}"


def _random_shape(draw: random.Random) -> Shape:
    radius = draw.randint(4, 7)
    right, down = (draw.randint(radius, SIDE - 1 - radius) for _ in range(2))
    return draw.choice(list(COLORS)), draw.choice(list(SHAPES)), right, down, radius


def _describe(shape: Shape) -> str:
    return f"a {shape[0]} {shape[1]}"


def paint(shapes: list[Shape], noise: np.random.Generator) -> Array:
    """Return the image of the shapes, (40, 40, 3) bytes."""
    image = np.full((SIDE, SIDE, 3), noise.integers(10, 50), np.float64)
    down, right = np.mgrid[:SIDE, :SIDE]
    for color, shape, x, y, radius in shapes:
        image[SHAPES[shape]((right - x) / radius, (down - y) / radius)] = COLORS[color]
    return (image + noise.normal(0, 6, image.shape)).clip(0, 255).round().astype(np.uint8)
