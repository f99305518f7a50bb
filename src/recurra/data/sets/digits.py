"""Handwritten digits, images of 8 x 8 values from 0 to 16 (UCI optical recognition, test part; from scikit-learn)."""

from __future__ import annotations

import csv
from typing import TextIO


def write(file: TextIO) -> None:
    """Write the columns label, r0c0 ... r7c7. Row r of the image is time step r of the sequence."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    digits = load_digits()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["label", *(f"r{row}c{column}" for row in range(8) for column in range(8))])
    for label, image in zip(digits.target, digits.data, strict=True):
        table.writerow([int(label), *(int(ink) for ink in image)])
