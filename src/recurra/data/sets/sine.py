"""A noisy sine wave with 25 samples per period."""

from __future__ import annotations

import csv
import math
import random
from typing import TextIO

STEPS, PERIOD, NOISE = 2000, 25, 0.05


def write(file: TextIO) -> None:
    """Write the columns step and value. The noise has a fixed seed."""
    draw = random.Random(0)
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["step", "value"])
    for step in range(STEPS):
        table.writerow([step, f"{math.sin(2 * math.pi * step / PERIOD) + draw.gauss(0, NOISE):.4f}"])
