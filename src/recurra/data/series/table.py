"""From the rows of a table to its series: rows are collected by the name of their series, then laid on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recurra.data.series.cells import cell, number
from recurra.data.series.grid import Gaps, OnGrid, RawSeries, on_grid
from recurra.data.series.series import Columns, Series, Table
from recurra.data.sources.row_errors import BadRows, skipped
from recurra.data.sources.rows import Row, Source


def read_table(
    source: Source, columns: Columns, *, form: str | None = None, sort: bool = False, skip: bool = False
) -> Table:
    """All series. Raises DataError with the row for what cannot be read; with `skip` such rows are left out and counted."""
    bad, gaps, series = BadRows(source.path, skip), Gaps(), list[Series]()
    for raw in _collected(source, columns, bad):
        laid = on_grid(raw, columns, bad, form=form, sort=sort)
        gaps.add(raw.name, laid)
        series += _series_of(raw, laid, columns)
    bad.settle(others=bool(series))
    lines = [gaps.line()] if gaps.steps else []
    lines += [bad.line()] if bad.count else []
    if source.broken.count:
        lines.append(skipped(source.broken.count, source.broken.places[0]))
    return Table(series, columns, source.path, lines)


def _collected(source: Source, columns: Columns, bad: BadRows) -> list[RawSeries]:
    """The rows of each series, in the order of the file."""
    found: dict[str, RawSeries] = {}
    for row in source.rows():
        numbers = [number(cell(row, column)) for column in columns.numbers]
        if None in numbers:
            column = columns.numbers[numbers.index(None)]
            bad.add(row.number, f"{row.values.get(column)!r} is not a number", column)
            continue
        name = "" if columns.series is None else cell(row, columns.series)
        if columns.series and not name.strip():
            bad.add(row.number, "is empty, so nothing says which series the row belongs to", columns.series)
            continue
        static = tuple(cell(row, column) for column in columns.static)
        one = found.setdefault(name, RawSeries(name, static))
        if static != one.static:
            column, new, old = next(x for x in zip(columns.static, static, one.static, strict=True) if x[1] != x[2])
            bad.add(row.number, f"is {new!r}, but was {old!r} above; a static covariate never changes", column)
            continue
        one.stamps.append(_stamp(row, columns.time) if columns.time else str(len(one.rows)))
        one.rows.append(row.number)
        one.numbers.append(numbers)  # type: ignore[arg-type]
    return list(found.values())


def _stamp(row: Row, columns: Sequence[str]) -> str:
    """The time of a row as text; year, month, day, ... put together."""
    cells = [cell(row, column) for column in columns]
    if len(cells) == 1:
        return cells[0]
    filled = [text.strip().rjust(2, "0") for text in cells]
    if len(filled) == 4:  # an hour alone is no time of day
        filled.append("00")
    return f"{'-'.join(filled[:3])} {':'.join(filled[3:])}".rstrip()


def _series_of(raw: RawSeries, laid: OnGrid, columns: Columns) -> list[Series]:
    """A series for each target column, NaN where the grid has a step and the file no row."""
    numbers = np.array([raw.numbers[at] for at in laid.kept.tolist()], np.float64)
    whole = np.full((laid.steps, numbers.shape[1]), np.nan)
    whole[laid.positions - laid.positions[0]] = numbers
    targets, known = len(columns.targets), len(columns.known)
    end = len(whole)
    if known:  # rows ahead: the covariates are there, no target is yet
        filled = np.flatnonzero(~np.isnan(whole[:, :targets]).all(1))
        end = int(filled[-1]) + 1 if len(filled) else end
    return [
        Series(
            name=column if not raw.name else raw.name if targets == 1 else f"{raw.name}/{column}",
            values=np.ascontiguousarray(whole[:end, at]),
            grid=laid.grid,
            first=int(laid.positions[0]),
            known=np.ascontiguousarray(whole[:, targets : targets + known]),
            past=np.ascontiguousarray(whole[:end, targets + known :]),
            static=raw.static,
        )
        for at, column in enumerate(columns.targets)
    ]
