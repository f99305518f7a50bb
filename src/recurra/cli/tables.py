"""Metrics as text: names and numbers, tables, and a confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_CLASSES = 12  # of a confusion matrix that is printed as a whole


def metric_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Lines `name  number`, then nested tables."""
    single = {name: value for name, value in metrics.items() if not isinstance(value, Mapping | list | tuple)}
    width = max(map(len, single), default=0)
    for name, value in single.items():
        yield f"{name:<{width}}  {value:.4f}" if isinstance(value, float) else f"{name:<{width}}  {value}"
    for name, value in metrics.items():
        if isinstance(value, Mapping) and {"classes", "table"} <= value.keys():
            yield ""
            yield from confusion(list(map(str, value["classes"])), value["table"])
        elif isinstance(value, Mapping) and value and all(isinstance(row, Mapping) for row in value.values()):
            yield ""
            yield from grid(name.replace("_", " "), value)
        elif name not in single:
            yield f"{name}  {value}"


def grid(name: str, rows: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A table with a line for each row, and a column for each metric that any row has."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = {row: [_shown(values[c]) if c in values else "-" for c in columns] for row, values in rows.items()}
    widths = [max(len(column), *(len(row[k]) for row in cells.values())) for k, column in enumerate(columns)]
    first = max(map(len, [name, *rows]))
    yield "  ".join([f"{name:<{first}}", *(f"{c:>{w}}" for c, w in zip(columns, widths, strict=True))])
    for row, values in cells.items():
        yield "  ".join([f"{row:<{first}}", *(f"{c:>{w}}" for c, w in zip(values, widths, strict=True))])


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def confusion(classes: list[str], table: list[list[int]]) -> Iterator[str]:
    """The confusion matrix, with true classes as rows; only the most frequent mistakes if there are many classes."""
    if len(classes) > MAX_CLASSES:
        mistakes = sorted(
            ((count, i, k) for i, row in enumerate(table) for k, count in enumerate(row) if i != k and count),
            key=lambda mistake: (-mistake[0], mistake[1:]),
        )
        yield "most frequent mistakes" if mistakes else "no mistakes"
        for count, i, k in mistakes[:10]:
            yield f"  {count:>6,}  {classes[i]} predicted as {classes[k]}"
        return
    yield "rows: true class, columns: predicted class"
    names = [name if len(name) <= 12 else name[:11] + "…" for name in classes]
    first = max(map(len, names))
    widths = [max(len(name), len(f"{max(row[k] for row in table):,}")) for k, name in enumerate(names)]
    yield "  ".join([" " * first, *(f"{name:>{w}}" for name, w in zip(names, widths, strict=True))])
    for name, row in zip(names, table, strict=True):
        yield "  ".join([f"{name:<{first}}", *(f"{count:>{w},}" for count, w in zip(row, widths, strict=True))])
