"""Finds the columns of the text, the label and the target: by common names, else by the first 1,000 rows.

A common name takes precedence over the content. Where neither decides, an error asks the user to name the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from recurra.data.sources.number_formats import number_format
from recurra.data.sources.rows import Source
from recurra.data.sources.usual_names import LABEL_NAMES, NUMBER_NAMES, TEXT_NAMES
from recurra.errors import DataError

MIN_NUMBER_FRACTION = 0.99  # of the cells of a column of numbers


def pick(
    source: Source,
    role: str,
    requested: str | None,
    usual_names: Sequence[str],
    score: Callable[[list[str]], float],
    *,
    exclude: Iterable[str] = (),
    margin: float = 0.7,
) -> str:
    """Return the column for a role: the requested one, else one with a usual name, else the one with the highest score.

    Args:
        source: the rows.
        role: the name of the role, which is also the name of the option in error messages.
        requested: the column that the user named, or None.
        usual_names: common names of such columns, in order of preference.
        score: returns 0 for the cells of a column that does not fit, and a higher number for a better one.
        exclude: columns of other fields.
        margin: a column is ambiguous if the second-best score exceeds `margin` times the best.

    Raises:
        DataError: the requested column does not exist, or no column or several columns fit.
    """
    if requested is not None:
        return source.need(requested)
    free = [column for column in source.columns if column not in set(exclude)]
    rows = source.first_rows()
    scores = {column: _score(score, [row.values.get(column) for row in rows]) for column in free}
    named = by_name(free)
    for name in usual_names:
        if name in named and scores[named[name]] > 0:
            source.reasons[named[name]] = f"its name is usual for the {role}"
            return named[name]
    best = sorted((column for column in free if scores[column] > 0), key=lambda column: -scores[column])
    existing = ", ".join(source.columns[:20]) + (", ..." if len(source.columns) > 20 else "")
    if not best:
        empty = [column for column in free if not any(_cell(row.values.get(column)).strip() for row in rows)]
        note = f" ({', '.join(map(repr, empty))}: empty in every row)" if empty else ""
        message = f"no column looks like the {role}{note}; name it with --{role} (there are {existing})"
        raise DataError(message, file=source.path)
    if len(best) > 1 and scores[best[1]] > margin * scores[best[0]]:
        tied = " or ".join(repr(column) for column in best if scores[column] > margin * scores[best[0]])
        raise DataError(f"the {role} could be {tied}; name it with --{role}", file=source.path)
    source.reasons[best[0]] = f"its values are those of a {role}"
    return best[0]


def find_text(
    source: Source, requested: str | None = None, exclude: Iterable[str] = (), names: Sequence[str] = TEXT_NAMES
) -> str:
    """Return the column of the text: by one of the usual names, else the one with the longest cells that are not numbers."""
    return pick(source, "text", requested, names, _like_text, exclude=exclude)


def find_label(source: Source, requested: str | None = None, exclude: Iterable[str] = ()) -> str:
    """Return the column of the class label: by content, the only one whose short values repeat.

    A table without a header has its classes in the first or the last column, as is the custom.
    """
    if requested is None and (column := _label_at_an_end(source, set(exclude))):
        source.reasons[column] = "no header; the end column whose values repeat most"
        return column
    return pick(source, "label", requested, LABEL_NAMES, _like_label, exclude=exclude)


def _label_at_an_end(source: Source, taken: set[str]) -> str | None:
    """The first or last column if it alone has words that repeat, or far fewer distinct whole numbers than any other column."""
    facts = source.facts
    if facts is None or not facts.is_delimited or facts.header:
        return None
    rows, names = source.first_rows(), [name for name in facts.names if name in source.columns]
    cells = {column: [_cell(row.values.get(column)).strip() for row in rows] for column in names}
    ends = [column for column in (facts.names[0], facts.names[-1]) if column in names and column not in taken]
    words = [column for column, values in cells.items() if _number_fraction(values) < 0.5 and _like_label(values)]
    if words:
        return words[0] if len(words) == 1 and words[0] in ends else None
    distinct = {column: len(set(values)) for column, values in cells.items()}
    least = min(ends, key=lambda column: distinct[column], default=None)
    if least is None or not _like_label(cells[least]) or not _are_whole(cells[least]):
        return None
    others = [count for column, count in distinct.items() if column != least]
    return least if others and 2 * distinct[least] <= min(others) else None


def _are_whole(cells: list[str]) -> bool:
    format = number_format(cells)
    return all(value is not None and value.is_integer() for value in map(format.parse, cells))


def find_number(source: Source, requested: str | None = None, exclude: Iterable[str] = ()) -> str:
    """Return the column of the number to predict: by content, the only one of numbers that is not a row counter."""
    try:
        return pick(source, "target", requested, NUMBER_NAMES, _like_number, exclude=exclude)
    except DataError:
        for column in source.columns:  # a column of numbers with a few other cells: report the first of them
            cells = {row.number: _cell(row.values.get(column)) for row in source.first_rows()}
            if (
                requested is None
                and column not in set(exclude)
                and 0.5 < _number_fraction([*cells.values()]) < MIN_NUMBER_FRACTION
            ):
                format = number_format([*cells.values()])
                row, cell = next((row, cell) for row, cell in cells.items() if format.parse(cell) is None)
                message = (
                    f"no column looks like the target: {format.problem(cell)}; correct it, or use --target {column}"
                )
                raise DataError(message, file=source.path, row=row, field=column) from None
        raise


def by_name(columns: Sequence[str]) -> dict[str, str]:
    """Map lower-case names to columns; of equal names the first column. `data.text` also has the name `text`, if it is free."""
    inner = {column.rpartition(".")[2].strip().lower(): column for column in reversed(columns) if "." in column}
    return inner | {column.strip().lower(): column for column in reversed(columns)}


def _score(score: Callable[[list[str]], float], values: list[object]) -> float:
    """The score of the cells of a column. A column of objects fits no role: its parts are columns, such as `data.text`.

    A few objects among other values are reported with their rows when these are read.
    """
    others = [_cell(value) for value in values if not isinstance(value, dict)]
    return score(others) if 2 * len(others) > len(values) else 0.0


def _cell(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return "" if value is None else str(value)


def _number_fraction(cells: list[str]) -> float:
    format = number_format(cells)
    filled = [cell for cell in cells if not format.is_missing(cell)]
    return sum(format.parse(cell) is not None for cell in filled) / len(filled) if filled else 1.0


def _like_text(cells: list[str]) -> float:
    if _number_fraction(cells) > 0.5:
        return 0.0
    return sum(map(len, cells)) / len(cells)


def _like_label(cells: list[str]) -> float:
    distinct = {cell for cell in cells if cell.strip()}
    if not distinct or max(map(len, distinct)) > 100:
        return 0.0
    return float(len(distinct) <= max(2, len(cells) // 2))


def _like_number(cells: list[str]) -> float:
    if _number_fraction(cells) < MIN_NUMBER_FRACTION:
        return 0.0
    format = number_format(cells)
    values = [value for cell in cells if (value := format.parse(cell)) is not None]
    return 0.0 if counts_rows(values) or not values or all(map(math.isnan, values)) else 1.0


def counts_rows(values: Sequence[float]) -> bool:
    """Whether the values increase by one from row to row, as a row counter does."""
    return len(values) > 2 and all(b - a == 1 for a, b in pairwise(values))
