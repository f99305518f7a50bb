"""A sine wave, sampled 25 times a period, with a little noise."""

from __future__ import annotations

import csv
import math
import random
from typing import TextIO

STEPS, PERIOD, NOISE = 2000, 25, 0.05


def write(file: TextIO) -> None:
    """Columns step, value; the noise is drawn with a fixed seed."""
    draw = random.Random(0)
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["step", "value"])
    for step in range(STEPS):
        table.writerow([step, f"{math.sin(2 * math.pi * step / PERIOD) + draw.gauss(0, NOISE):.4f}"])
