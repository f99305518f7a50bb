"""Whether the pieces of a text stand alone, as poems and the lines of a log do, or go on, as the speeches of a play do.

The pieces are what lies between blank lines, or else the lines. What goes on speaks of the same: a piece shares more of its
runs of three characters with the two after it than with pieces from far away. How much more is its kinship. Measured: poems,
reviews, questions and traces of a log 0 to 0.01; a play, an encyclopedia, source code and a newspaper's lines 0.06 to 0.14.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

SAMPLE = 1_000_000  # characters that are looked at
FEWEST, LONGEST = 20, 500  # pieces; characters of one, on average
KIN = 0.02
FAR = 50  # pieces between two that have nothing to do with each other


class Pieces(NamedTuple):
    """What stands between short pieces that stand alone ("\\n\\n", "\\n"; empty: none do), and why, in words."""

    separator: str
    why: str


def pieces_of(text: str) -> Pieces:
    """Look at the beginning of a text."""
    for separator, called in (("\n\n", "pieces between blank lines"), ("\n", "lines")):
        pieces = [piece for piece in text.split(separator) if piece.strip()]
        if len(pieces) > FEWEST and len(text) / len(pieces) <= LONGEST:
            near = kinship(pieces)
            alone = near < KIN
            does = "stand alone" if alone else "go on"
            more = f"{abs(near):.1%} {'more' if near >= 0 else 'less'}"
            return Pieces(separator if alone else "", f"{called} {does}: near ones share {more} than far ones")
    return Pieces("", "")


def kinship(pieces: Sequence[str]) -> float:
    """How much more a piece shares with the two after it than with far ones: a difference of cosines, about -1 to 1."""
    runs = [{piece[at : at + 3] for at in range(len(piece) - 2)} for piece in pieces]
    draw, n = random.Random(0), len(pieces)

    def alike(i: int, j: int) -> float:
        one, other = runs[i], runs[j]
        return len(one & other) / (len(one) * len(other)) ** 0.5 if one and other else 0.0

    reach = min(FAR, n // 4)
    near = [alike(i, i + step) for i in range(n - 2) for step in (1, 2)]
    pairs = [(i, draw.randrange(n)) for i in range(n - 2) for _ in range(2)]
    far = [alike(i, j) for i, j in pairs if abs(i - j) > reach]
    return sum(near) / len(near) - sum(far) / max(len(far), 1)
