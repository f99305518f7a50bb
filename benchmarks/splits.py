"""Which row belongs to which part: `train` teaches, `select` picks weights and settings, `report` is only reported.

The part of a row hangs on a hash of the row alone: adding, removing or reordering other rows never moves it, and no
seed does. A row of `train` or `select` whose input stands in `report` as well is dropped; so is one of `train` whose
input stands in `select`. Inputs are compared without case and with single spaces, so a copy with another line break is
a copy.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

PARTS = ("train", "select", "report")
Row = tuple[str, ...]


def fraction(row: Sequence[str]) -> float:
    """A number in [0, 1) from the content of a row, the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(row).encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def part_of(row: Sequence[str], select: float = 0.1, report: float = 0.1) -> str:
    """The part a row belongs to; `select` and `report` are the shares of these parts."""
    place = fraction(row)
    return "report" if place < report else "select" if place < report + select else "train"


def normal(text: str) -> str:
    """A text as duplicates are compared: no case, single spaces."""
    return " ".join(text.casefold().split())


def split(
    rows: Iterable[Row],
    *,
    select: float = 0.1,
    report: float = 0.1,
    unique: bool = False,
    key: Callable[[Row], str] = lambda row: normal(row[0]),
) -> dict[str, list[Row]]:
    """The three parts, rows in their order. `key` is what makes two rows duplicates across parts (the input, not the
    label); `unique` drops a row that is equal to an earlier one, label included."""
    parts: dict[str, list[Row]] = {part: [] for part in PARTS}
    for row in dict.fromkeys(rows) if unique else rows:
        parts[part_of(row, select, report)].append(row)
    reported = {key(row) for row in parts["report"]}
    parts["select"] = [row for row in parts["select"] if key(row) not in reported]
    kept = reported | {key(row) for row in parts["select"]}
    parts["train"] = [row for row in parts["train"] if key(row) not in kept]
    return parts


def write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str] = ("text", "label")) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_parts(
    folder: Path, parts: Mapping[str, Iterable[Row]], columns: Sequence[str] = ("text", "label")
) -> dict[str, Path]:
    """Write `train.csv`, `select.csv` and `report.csv`; returns their paths by part."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {part: folder / f"{part}.csv" for part in parts}
    for part, rows in parts.items():
        write_csv(paths[part], rows, columns)
    return paths
