"""The adding problem (Hochreiter and Schmidhuber 1997): two of many numbers are marked, and the target is their sum.

A time step has two channels, a number drawn uniformly from [0, 1] and a marker, which is 1 at one step of each half of the
sequence and 0 elsewhere, as in Le et al. 2015 (arXiv:1504.00941). Predicting the mean of the
targets gives a mean squared error of 1/6.
"""

from __future__ import annotations

import json
import random
from typing import TextIO

ROWS = 10_000


def write(file: TextIO, length: int = 50) -> None:
    """Write objects with `series`, a list of `length` pairs, and `target`. The random numbers have a fixed seed."""
    draw = random.Random(0)
    for _ in range(ROWS):
        numbers = [draw.randrange(1000) / 1000 for _ in range(length)]
        first, second = draw.randrange(length // 2), draw.randrange(length // 2, length)
        series = [[number, int(at in (first, second))] for at, number in enumerate(numbers)]
        row = {"series": series, "target": round(numbers[first] + numbers[second], 3)}
        file.write(json.dumps(row, separators=(",", ":")) + "\n")
