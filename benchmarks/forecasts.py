"""The benchmark datasets of time series. Each is split by time into parts for training, for selection and for the report.

Every part except the first also contains the time steps before it, because a forecast reads a context. The options of the
dataset determine which origins are evaluated. The metrics are those of `recurra evaluate`, and their improvement over the
seasonal naive forecast.
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
    """Return the rows of a CSV file, including the header."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.reader(content.decode("utf-8").splitlines()))


def write(path: Path, rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Path:
    """Write a CSV file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def by_time(name: str, *ends: int, context: int | None = None) -> Callable[[Path, Path], dict[str, Path]]:
    """Return a function that splits one table by time.

    name      file name of the table
    ends      row number at which each part ends
    context   number of rows before a part that its file also contains; None for all
    """

    def split(data: Path, folder: Path) -> dict[str, Path]:
        header, *rows = read(data / "timeseries" / name)
        parts, begin = {}, 0
        for part, end in zip(PARTS, ends, strict=True):
            first = 0 if context is None else max(begin - context, 0)
            parts[part] = write(folder / f"{part}.csv", [header, *rows[first:end]])
            begin = end
        return parts

    return split


def m4(horizon: int) -> Callable[[Path, Path], dict[str, Path]]:
    """Return a function that writes the M4 series in long format.

    The last `horizon` values of each series are for the report, the `horizon` values before them are for selection, and the
    others are for training.
    """

    def split(data: Path, folder: Path) -> dict[str, Path]:
        _, *rows = read(data / "m4" / "Hourly-train.csv.gz")
        series = {row[0]: [cell for cell in row[1:] if cell] for row in rows}
        parts = {}
        for part, left in zip(PARTS, (2 * horizon, horizon, 0), strict=True):
            lines = ([name, str(at), value] for name, values in series.items()
                     for at, value in enumerate(values[: len(values) - left]))  # fmt: skip
            parts[part] = write(folder / f"{part}.csv", [["series", "step", "value"], *lines])
        return parts

    return split


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """Return the metrics of `recurra evaluate`, and `NAME_below_seasonal`, the relative reduction of a seasonal naive error."""
    metrics = json.loads(recurra("evaluate", run, parts[part], "--json").stdout)
    values = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    seasonal = metrics["backtest"]["seasonal naive"]
    below = {f"{name}_below_seasonal": 1 - values[name] / seasonal[name] for name in ("rmse", "mae", "smape", "mase")
             if name in values and name in seasonal}  # fmt: skip
    return values | below
