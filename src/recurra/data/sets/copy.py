"""The copy task (Hochreiter and Schmidhuber 1997): ten symbols are repeated after a delay.

As in Arjovsky et al. 2016 (arXiv:1511.06464) the input has ten symbols of an alphabet of eight (a to h), blanks (_), a marker
(:) `delay` steps after the last symbol, and ten more blanks. The output is blank until then, and the ten symbols
after it. A model without memory has the accuracy (delay + 11) / (delay + 20) over all steps, and 1/8 over the copied symbols.
"""

from __future__ import annotations

import json
import random
from typing import TextIO

ROWS, SYMBOLS, COUNT = 10_000, "abcdefgh", 10
BLANK, MARKER = "_", ":"


def write(file: TextIO, delay: int = 20) -> None:
    """Write objects with `tokens` and `tags`, lists of `delay` + 20 symbols. The random numbers have a fixed seed."""
    draw = random.Random(0)
    for _ in range(ROWS):
        symbols = draw.choices(SYMBOLS, k=COUNT)
        tokens = [*symbols, *[BLANK] * (delay - 1), MARKER, *[BLANK] * COUNT]
        tags = [*[BLANK] * (delay + COUNT), *symbols]
        file.write(json.dumps({"tokens": tokens, "tags": tags}) + "\n")
