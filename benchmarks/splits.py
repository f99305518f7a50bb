"""Splits of rows into parts: `train` for training, `select` to choose weights and settings, `report` for the test.

The part of a row depends only on a hash of the row. It does not change when other rows are added, removed or
reordered, and it does not depend on a seed. Rows of `train` and `select` whose input also occurs in `report` are
removed, and so are rows of `train` whose input occurs in `select`. Inputs are compared without case and with single
spaces, so that a copy with another line break is a duplicate.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

PARTS = ("train", "select", "report")
Row = tuple[str, ...]


def fraction(row: Sequence[str]) -> float:
    """Return a number in [0, 1) from the content of a row. It is the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(row).encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def part_of(row: Sequence[str], select: float = 0.1, report: float = 0.1) -> str:
    """Return the part of a row. `select` and `report` are the fractions of these parts."""
    place = fraction(row)
    return "report" if place < report else "select" if place < report + select else "train"


def normal(text: str) -> str:
    """Return a text without case and with single spaces, for the comparison of duplicates."""
    return " ".join(text.casefold().split())


def split(
    rows: Iterable[Row],
    *,
    select: float = 0.1,
    report: float = 0.1,
    unique: bool = False,
    key: Callable[[Row], str] = lambda row: normal(row[0]),
) -> dict[str, list[Row]]:
    """Return the three parts, with the rows in their order.

    select, report   fractions of these parts
    unique           whether to remove a row that is equal to an earlier one, including the label
    key              rows with the same key are duplicates across parts; by default the input without the label
    """
    parts: dict[str, list[Row]] = {part: [] for part in PARTS}
    for row in dict.fromkeys(rows) if unique else rows:
        parts[part_of(row, select, report)].append(row)
    reported = {key(row) for row in parts["report"]}
    parts["select"] = [row for row in parts["select"] if key(row) not in reported]
    kept = reported | {key(row) for row in parts["select"]}
    parts["train"] = [row for row in parts["train"] if key(row) not in kept]
    return parts


def write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str] = ("text", "label")) -> None:
    """Write rows to a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_parts(
    folder: Path, parts: Mapping[str, Iterable[Row]], columns: Sequence[str] = ("text", "label")
) -> dict[str, Path]:
    """Write `train.csv`, `select.csv` and `report.csv`, and return their paths by part."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: folder / f"{part}.csv" for part in parts}
    for part, rows in parts.items():
        write_csv(paths[part], rows, columns)
    return paths
