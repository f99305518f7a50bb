"""Handwritten digits, 8 rows of 8 ink values from 0 to 16 (UCI optical recognition, test part; by scikit-learn)."""

from __future__ import annotations

import csv
from typing import TextIO


def write(file: TextIO) -> None:
    """Columns label, r0c0 ... r7c7: row r of the picture is step r of the window."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    digits = load_digits()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["label", *(f"r{row}c{column}" for row in range(8) for column in range(8))])
    for label, picture in zip(digits.target, digits.data, strict=True):
        table.writerow([int(label), *(int(ink) for ink in picture)])
