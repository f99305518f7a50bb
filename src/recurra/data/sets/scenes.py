"""Scenes of coloured shapes on a dark ground, 40 x 40 pixels, and what is to be seen: "a red circle above a blue square"."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

COUNT, SIDE = 12_000, 40
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 230), "yellow": (230, 210, 40),
           "purple": (150, 50, 180), "white": (235, 235, 235)}  # fmt: skip
SHAPES: dict[str, Callable[[Array, Array], Array]] = {  # x right, y down, from the middle, in units of the radius
    "circle": lambda x, y: x**2 + y**2 <= 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 0.85,
    "triangle": lambda x, y: (abs(x) <= (y + 1) / 2) & (y <= 0.9),
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.33) & (np.maximum(abs(x), abs(y)) <= 1),
}
Thing = tuple[str, str, int, int, int]  # colour, shape, middle (right, down), radius


def write_file(path: Path, count: int = COUNT) -> None:
    """A .npz with the arrays image (N, 40, 40, 3), bytes, and text (N,); places, sizes and noise have a fixed seed."""
    draw, noise = random.Random(0), np.random.default_rng(0)
    scenes = [scene(draw) for _ in range(count)]
    images = np.stack([paint(things, noise) for things, _ in scenes])
    with path.open("wb") as file:
        np.savez_compressed(file, image=images, text=np.array([text for _, text in scenes]))


def scene(draw: random.Random) -> tuple[list[Thing], str]:
    """One thing or two, and the words. Of two that lie one above the other the upper is named first, else the left one."""
    things = [_thing(draw)]
    if draw.random() < 0.1:
        return things, _named(things[0])
    while len(things) < 2:
        other = _thing(draw)
        right, down = abs(other[2] - things[0][2]), abs(other[3] - things[0][3])
        apart = max(right, down) > other[4] + things[0][4] + 1
        if apart and max(right, down) >= 1.6 * min(right, down) and other[:2] != things[0][:2]:
            things.append(other)
    above = abs(things[0][3] - things[1][3]) > abs(things[0][2] - things[1][2])
    first, second = sorted(things, key=lambda thing: thing[3] if above else thing[2])
    return [first, second], f"{_named(first)} {'above' if above else 'left of'} {_named(second)}"


def _thing(draw: random.Random) -> Thing:
    radius = draw.randint(4, 7)
    right, down = (draw.randint(radius, SIDE - 1 - radius) for _ in range(2))
    return draw.choice(list(COLOURS)), draw.choice(list(SHAPES)), right, down, radius


def _named(thing: Thing) -> str:
    return f"a {thing[0]} {thing[1]}"


def paint(things: list[Thing], noise: np.random.Generator) -> Array:
    """(40, 40, 3) bytes."""
    image = np.full((SIDE, SIDE, 3), noise.integers(10, 50), np.float64)
    down, right = np.mgrid[:SIDE, :SIDE]
    for colour, shape, x, y, radius in things:
        image[SHAPES[shape]((right - x) / radius, (down - y) / radius)] = COLOURS[colour]
    return (image + noise.normal(0, 6, image.shape)).clip(0, 255).round().astype(np.uint8)
