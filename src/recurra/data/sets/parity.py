"""Final parity: whether a sequence of bits has an odd number of ones. Every bit changes the answer."""

from __future__ import annotations

import json
import random
from typing import TextIO

ROWS = 20_000


def write(file: TextIO, bits: int = 10) -> None:
    """Write objects with `bits`, a list of up to `bits` bits, and `label`. The random numbers have a fixed seed."""
    draw = random.Random(0)
    for _ in range(ROWS):
        row = [draw.randrange(2) for _ in range(draw.randint(1, bits))]
        file.write(json.dumps({"bits": row, "label": ("even", "odd")[sum(row) % 2]}) + "\n")
