"""Which columns of a long table are what: the target, the numbers of a step. A look at the first rows, by their series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recurra.data.series.cells import MISSING
from recurra.data.series.columns import TIME_NAMES, listed
from recurra.data.sources.columns import counts_rows, number
from recurra.data.sources.long_format import Grouped
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

CLOCKS = {*TIME_NAMES, "t"}


def find_targets(source: Source, by: str, time: str | None, find: Callable[[Source], Sequence[str]]) -> list[str]:
    """The columns that `find` takes for targets: where several could be, one that stays as it is within a series."""

    def among(columns: Sequence[str]) -> list[str] | DataError:
        try:
            return list(find(Grouped(source, by, (), "", same=columns)))
        except DataError as error:
            return error

    rest = [column for column in source.columns if column not in (by, time)]
    found, stays = among(rest), among(steady(source, by, rest))
    if isinstance(found, DataError):
        if isinstance(stays, DataError):
            raise found
        return stays
    if not isinstance(stays, DataError) and found != stays:
        one, other = (" and ".join(map(repr, columns)) for columns in (found, stays))
        raise DataError(
            f"the target could be {one}, which changes within a series, or {other}; name it (--label or --number)",
            file=source.path,
        )
    return found


def steady(source: Source, by: str, columns: Sequence[str]) -> list[str]:
    """The columns that stay as they are within most of the series that a look shows two rows of: a label is one."""
    several = [rows for rows in _parts(source, by) if len(rows) > 1]

    def stays(column: str) -> bool:
        return 2 * sum(len({str(row.values.get(column)) for row in rows}) == 1 for rows in several) > len(several)

    return [column for column in columns if stays(column)]


def find_channels(
    source: Source, by: str, time: str | None, taken: Sequence[str], asked: str | None = None
) -> tuple[list[str], dict[str, str]]:
    """The columns that are the numbers of a step: those `asked` for, as A,B, else what a look takes for them; and the
    others, with the reason. DataError where there is none."""
    channels, left = list(listed(source, asked)), dict[str, str]()
    parts = _parts(source, by)
    for column in source.columns if asked is None else ():
        if column in (by, time, *taken):
            continue
        cells = [row.values.get(column) for rows in parts for row in rows]
        filled = [cell for cell in cells if cell is not None and str(cell).strip().lower() not in MISSING]
        if column.strip().lower() in CLOCKS:
            left[column] = "a time" if time else f"a time; --time {column} puts the steps in its order"
        elif 2 * sum(number(cell) is not None for cell in filled) <= len(filled):
            left[column] = "holds no numbers"  # a few cells that are none are told with their rows
        elif _counts(source, parts, column):
            left[column] = "counts the rows"
        else:
            channels.append(column)
    if not channels:
        there = ", ".join(source.columns[:20])
        raise DataError(
            f"no column holds the numbers of a step; name them with --window A,B (there are {there})", file=source.path
        )
    return channels, left


def _parts(source: Source, by: str) -> list[list[Row]]:
    """The rows of a look by their series."""
    parts: dict[str, list[Row]] = {}
    for row in source.look():
        parts.setdefault(str(row.values.get(by)), []).append(row)
    return list(parts.values())


def _counts(source: Source, parts: Sequence[Sequence[Row]], column: str) -> bool:
    """Whether a column goes up by one from row to row, in the file or in every series."""
    values = [[number(row.values.get(column)) or 0.0 for row in rows] for rows in (source.look(), *parts)]
    long = [part for part in values[1:] if len(part) > 2]
    return counts_rows(values[0]) or (bool(long) and all(counts_rows(part) for part in long))
