"""Finds the columns of a long table: the targets and the numbers of a time step, from the first rows of each series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recurra.data.series.columns import TIME_NAMES, parse_column_list
from recurra.data.sources.columns import counts_rows
from recurra.data.sources.long_format import Grouped
from recurra.data.sources.number_formats import number_format
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

TIME_COLUMNS = {*TIME_NAMES, "t"}


def find_targets(source: Source, by: str, time: str | None, find: Callable[[Source], Sequence[str]]) -> list[str]:
    """Return the target columns that `find` detects; where several are possible, one that is constant within each series."""

    def among(columns: Sequence[str]) -> list[str] | DataError:
        try:
            return list(find(Grouped(source, by, (), "", same=columns)))
        except DataError as error:
            return error

    rest = [column for column in source.columns if column not in (by, time)]
    found, constant = among(rest), among(constant_within_series(source, by, rest))
    if isinstance(found, DataError):
        if isinstance(constant, DataError):
            raise found
        return constant
    if not isinstance(constant, DataError) and found != constant:
        one, other = (" and ".join(map(repr, columns)) for columns in (found, constant))
        raise DataError(
            f"the target could be {one}, which changes within a series, or {other}; name it with --label or --target",
            file=source.path,
        )
    return found


def constant_within_series(source: Source, by: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that are constant within most series of which the first rows include two or more, as a label is."""
    several = [rows for rows in _rows_by_series(source, by) if len(rows) > 1]

    def is_constant(column: str) -> bool:
        return 2 * sum(len({str(row.values.get(column)) for row in rows}) == 1 for rows in several) > len(several)

    return [column for column in columns if is_constant(column)]


def find_channels(
    source: Source, by: str, time: str | None, taken: Sequence[str], requested: str | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the columns of the numbers of a time step, and the ignored columns with the reason.

    Args:
        source: the long table.
        by: the column of the ID of the series.
        time: the column that orders the time steps.
        taken: the columns of targets.
        requested: the columns that the user named, as "A,B"; None to detect them.

    Raises:
        DataError: no column has numbers.
    """
    channels, ignored = list(parse_column_list(source, requested)), dict[str, str]()
    parts = _rows_by_series(source, by)
    for column in source.columns if requested is None else ():
        if column in (by, time, *taken):
            continue
        cells = [row.values.get(column) for rows in parts for row in rows]
        format = number_format(cells)
        filled = [cell for cell in cells if not format.is_missing(cell)]
        if column.strip().lower() in TIME_COLUMNS:
            ignored[column] = "a time" if time else f"a time; use --time {column} to order the time steps by it"
        elif 2 * sum(format.parse(cell) is not None for cell in filled) <= len(filled):
            ignored[column] = "not numeric"  # a few other cells are reported with their rows
        elif _counts(source, parts, column):
            ignored[column] = "a row counter"
        else:
            channels.append(column)
    if not channels:
        existing = ", ".join(source.columns[:20])
        raise DataError(
            f"no column has the numbers of a time step; name them with --measurements A,B (there are {existing})",
            file=source.path,
        )
    return channels, ignored


def _rows_by_series(source: Source, by: str) -> list[list[Row]]:
    """The first rows, grouped by series."""
    parts: dict[str, list[Row]] = {}
    for row in source.first_rows():
        parts.setdefault(str(row.values.get(by)), []).append(row)
    return list(parts.values())


def _counts(source: Source, parts: Sequence[Sequence[Row]], column: str) -> bool:
    """Whether a column increases by one from row to row, in the file or in every series."""
    format = number_format([row.values.get(column) for row in source.first_rows()])
    values = [[format.parse(row.values.get(column)) or 0.0 for row in rows] for rows in (source.first_rows(), *parts)]
    long = [part for part in values[1:] if len(part) > 2]
    return counts_rows(values[0]) or (bool(long) and all(counts_rows(part) for part in long))
