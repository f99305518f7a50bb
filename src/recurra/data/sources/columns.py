"""Which column is the text, the label, the number: by its name, else by a look at the first 1,000 rows.

A name that people give such a column wins over what it holds; where neither decides, the user is asked to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from recurra.data.sources.rows import Source
from recurra.errors import DataError

TEXT_NAMES = (
    *("text", "review", "sentence", "content", "body", "comment", "message", "question", "utterance", "tweet"),
    *("document", "description", "name", "title", "source", "input", "文本", "内容", "句子", "评论"),
)
LABEL_NAMES = (
    *("label", "class", "category", "sentiment", "intent", "target", "topic", "type", "tag", "language", "lang"),
    *("polarity", "genre", "species", "y", "output", "标签", "类别", "分类", "情感"),
)
NUMBER_NAMES = ("number", "value", "rating", "score", "target", "stars", "price", "y", "label", "数值", "评分")

NUMBERS = 0.99  # share of the cells of a column of numbers that are numbers


def pick(
    source: Source,
    role: str,
    asked: str | None,
    known: Sequence[str],
    test: Callable[[list[str]], float],
    *,
    exclude: Iterable[str] = (),
    margin: float = 0.7,
) -> str:
    """The column for `role`: the one `asked` for, else one with a `known` name, else the one that scores best.

    `test` gives 0 to a column that cannot play the role, more to a better one; a second best within `margin` of
    the best is a tie. Raises DataError where the column does not exist, and where none or several would fit.
    """
    if asked is not None:
        return source.need(asked)
    free = [column for column in source.columns if column not in set(exclude)]
    rows = source.look()
    scores = {column: test([_cell(row.values.get(column)) for row in rows]) for column in free}
    called = by_name(free)
    for name in known:
        if name in called and scores[called[name]] > 0:
            return called[name]
    best = sorted((column for column in free if scores[column] > 0), key=lambda column: -scores[column])
    there = ", ".join(source.columns[:20]) + (", ..." if len(source.columns) > 20 else "")
    if not best:
        empty = [column for column in free if not any(_cell(row.values.get(column)).strip() for row in rows)]
        why = f" ({', '.join(map(repr, empty))}: nothing in any row)" if empty else ""
        said = f"no column looks like the {role}{why}; name it with --{role} (there are {there})"
        raise DataError(said, file=source.path)
    if len(best) > 1 and scores[best[1]] > margin * scores[best[0]]:
        tied = " or ".join(repr(column) for column in best if scores[column] > margin * scores[best[0]])
        raise DataError(f"the {role} could be {tied}; name it with --{role}", file=source.path)
    return best[0]


def find_text(source: Source, asked: str | None = None, exclude: Iterable[str] = ()) -> str:
    """The column that holds text: by look the one with the longest cells that are not numbers."""
    return pick(source, "text", asked, TEXT_NAMES, _like_text, exclude=exclude)


def find_label(source: Source, asked: str | None = None, exclude: Iterable[str] = ()) -> str:
    """The column that holds a class: by look the only one whose short values repeat."""
    return pick(source, "label", asked, LABEL_NAMES, _like_label, exclude=exclude)


def find_number(source: Source, asked: str | None = None, exclude: Iterable[str] = ()) -> str:
    """The column that holds the number to predict: by look the only one of numbers that does not count the rows."""
    try:
        return pick(source, "number", asked, NUMBER_NAMES, _like_number, exclude=exclude)
    except DataError:
        for column in source.columns:  # one of numbers but for a few cells: the first of them says more
            cells = {row.number: _cell(row.values.get(column)) for row in source.look()}
            if asked is None and column not in set(exclude) and 0.5 < _share_of_numbers([*cells.values()]) < NUMBERS:
                row, cell = next((row, cell) for row, cell in cells.items() if cell.strip() and number(cell) is None)
                said = f"no column looks like the number: this one has {cell!r:.40}; mend it, or say --number {column}"
                raise DataError(said, file=source.path, row=row, field=column) from None
        raise


def by_name(columns: Sequence[str]) -> dict[str, str]:
    """name in small letters -> column; of equal ones the first."""
    return {column.strip().lower(): column for column in reversed(columns)}


def number(cell: object) -> float | None:
    """The finite number that `cell` is or spells, else None."""
    try:
        value = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _share_of_numbers(cells: list[str]) -> float:
    filled = [cell for cell in cells if cell.strip()]
    return sum(number(cell) is not None for cell in filled) / len(filled) if filled else 1.0


def _like_text(cells: list[str]) -> float:
    if _share_of_numbers(cells) > 0.5:
        return 0.0
    return sum(map(len, cells)) / len(cells)


def _like_label(cells: list[str]) -> float:
    distinct = {cell for cell in cells if cell.strip()}
    if not distinct or max(map(len, distinct)) > 100:
        return 0.0
    return float(len(distinct) <= max(2, len(cells) // 2))


def _like_number(cells: list[str]) -> float:
    if _share_of_numbers(cells) < NUMBERS:
        return 0.0
    values = [value for cell in cells if (value := number(cell)) is not None]
    return 0.0 if counts_rows(values) or not values else 1.0


def counts_rows(values: Sequence[float]) -> bool:
    """Whether they go up by one from row to row, as a number of the row does."""
    return len(values) > 2 and all(b - a == 1 for a, b in pairwise(values))
