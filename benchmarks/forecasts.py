"""The sets of series: each cut by time into what teaches, what selects, and what is only reported.

Every part but the first also holds what was before it, for a forecast looks back; which origins count is said by the options
of the set. The figures are those of `recurra evaluate`, and how far they lie below the seasonal naive forecast's.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from common import recurra

Rows = list[list[str]]
PARTS = ("train", "select", "report")


def read(path: Path) -> Rows:
    """The rows of a CSV file, the header first."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.reader(content.decode("utf-8").splitlines()))


def write(path: Path, rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def by_time(name: str, *ends: int, context: int | None = None) -> Callable[[Path, Path], dict[str, Path]]:
    """A writer for one table: the parts end after so many rows each. `context` rows before a part stand in its file; None:
    all."""

    def cut(data: Path, folder: Path) -> dict[str, Path]:
        header, *rows = read(data / "timeseries" / name)
        parts, begin = {}, 0
        for part, end in zip(PARTS, ends, strict=True):
            first = 0 if context is None else max(begin - context, 0)
            parts[part] = write(folder / f"{part}.csv", [header, *rows[first:end]])
            begin = end
        return parts

    return cut


def m4(horizon: int) -> Callable[[Path, Path], dict[str, Path]]:
    """M4's series one under the other: the last `horizon` of each are reported, those before select, the others teach."""

    def cut(data: Path, folder: Path) -> dict[str, Path]:
        _, *rows = read(data / "m4" / "Hourly-train.csv.gz")
        series = {row[0]: [cell for cell in row[1:] if cell] for row in rows}
        parts = {}
        for part, left in zip(PARTS, (2 * horizon, horizon, 0), strict=True):
            lines = ([name, str(at), value] for name, values in series.items()
                     for at, value in enumerate(values[: len(values) - left]))  # fmt: skip
            parts[part] = write(folder / f"{part}.csv", [["series", "step", "value"], *lines])
        return parts

    return cut


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """The figures of `recurra evaluate`, and `NAME_below_seasonal`: by what share a figure is below seasonal naive's."""
    figures = json.loads(recurra("evaluate", run, parts[part], "--json").stdout)
    plain = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
    seasonal = figures["backtest"]["seasonal naive"]
    below = {f"{name}_below_seasonal": 1 - plain[name] / seasonal[name] for name in ("rmse", "mae", "smape", "mase")
             if name in plain and name in seasonal}  # fmt: skip
    return plain | below
