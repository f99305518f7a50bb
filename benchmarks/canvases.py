"""MNIST: splits of its images, and canvases with several digits of one split, which are described from left to right.

A canvas has 64 x 128 pixels and contains three to five images of 28 x 28 pixels at random positions with a fixed seed. Images
do not overlap, and their centres are at least 8 pixels apart horizontally, so that their order is visible.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from splits import split

Array = np.ndarray[Any, Any]
Parts = dict[str, Path]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HEIGHT, WIDTH, SIDE, APART = 64, 128, 28, 8
COUNTS = {"train": 30_000, "select": 1_000, "report": 2_000}
MOST = 5


def read(path: Path) -> Array:
    """Read an idx file."""
    from recurra.data.media.idx import read_idx

    return read_idx(path)


def write_idx(path: Path, array: Array) -> None:
    """Write an array of bytes as a compressed idx file."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        file.write(header + array.astype(np.uint8).tobytes())


def parts_of(data: Path) -> Iterator[tuple[str, Array, Array]]:
    """Yield (part, images, labels): 80 % train, 10 % select, 10 % report, by a hash of the image and its label."""
    folder = data / "mnist"
    images, labels = read(folder / "train-images-idx3-ubyte.gz"), read(folder / "train-labels-idx1-ubyte.gz")
    place = {hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest(): at for at, image in enumerate(images)}
    for part, rows in split((name, str(labels[at])) for name, at in place.items()).items():
        index = np.array([place[row[0]] for row in rows])
        yield part, images[index], labels[index]


def mnist(data: Path, folder: Path) -> Parts:
    """Write a pair of idx files for each part."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for part, images, labels in parts_of(data):
        paths[part] = folder / f"{part}-images-idx3-ubyte.gz"
        write_idx(paths[part], images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return paths


def canvases(data: Path, folder: Path, counts: Mapping[str, int] = COUNTS) -> Parts:
    """Write a `.npz` file for each part: image (N, 64, 128), text, and boxes (N, 5, 2), top and left of each digit or -1."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for seed, (part, images, labels) in enumerate(parts_of(data)):
        draw = np.random.default_rng([20, seed])
        drawn = np.zeros((counts[part], HEIGHT, WIDTH), np.uint8)
        boxes = np.full((counts[part], MOST, 2), -1, np.int16)
        texts = []
        for canvas, places in zip(drawn, boxes, strict=True):
            found = layout(int(draw.integers(3, MOST + 1)), draw)
            picked = draw.integers(0, len(images), len(found))
            for (top, left), at in zip(found, picked, strict=True):
                canvas[top : top + SIDE, left : left + SIDE] = images[at]
            places[: len(found)] = found
            texts.append(" ".join(WORDS[label] for label in labels[picked]))
        paths[part] = folder / f"{part}.npz"
        np.savez_compressed(paths[part], image=drawn, text=np.array(texts), boxes=boxes)
    return paths


def layout(count: int, draw: np.random.Generator) -> list[tuple[int, int]]:
    """Return (top, left) of `count` images from left to right."""
    while True:
        found: list[tuple[int, int]] = []
        for _ in range(60):
            top, left = int(draw.integers(0, HEIGHT - SIDE + 1)), int(draw.integers(0, WIDTH - SIDE + 1))
            if all(abs(left - x) >= (APART if abs(top - y) >= SIDE else SIDE) for y, x in found):
                found.append((top, left))
                if len(found) == count:
                    return sorted(found, key=lambda place: place[1])


def fraction_on_digits(attention: Mapping[str, Any], boxes: Array) -> list[float]:
    """Return for each predicted digit the fraction of the attention at its step that is on its image.

    An attention weight is distributed evenly over its grid cell.
    """
    rows, columns = int(attention["rows"]), int(attention["columns"])
    down, right = (np.arange(size + 1) * length / size for size, length in ((rows, HEIGHT), (columns, WIDTH)))
    found = []
    for weights, (top, left) in zip(attention["weights"], boxes[boxes[:, 0] >= 0], strict=False):
        inside = [
            (np.minimum(edges[1:], begin + SIDE) - np.maximum(edges[:-1], begin)).clip(0) / np.diff(edges)
            for edges, begin in ((down, top), (right, left))
        ]
        found.append(float((np.reshape(weights, (rows, columns)) * np.outer(*inside)).sum()))
    return found


def attention_on_digits(run: Path, part: Path) -> float:
    """Return the mean fraction over all digits of a part for which the caption has a word."""
    import recurra

    model = recurra.load(run)
    model.change(return_attention=True)
    with np.load(part) as file:
        images, boxes = file["image"], file["boxes"]
    answers = model.predict_iter(images, batch_size=256)
    fractions: list[float] = []
    for answer, places in zip(answers, boxes, strict=True):
        attention = dict(answer["attention"])
        attention["weights"] = attention["weights"][: len(answer["text"].split())]
        fractions += fraction_on_digits(attention, places)
    return float(np.mean(fractions)) if fractions else 0.0
