"""Rejects tables of time series, whose series names would otherwise be read as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...data.series.cells import cell
from ...data.series.time_roles import is_date_column
from ...data.sources.sources import Source
from ...errors import DataError
from ...fields.base import Field
from ...fields.text import Text


def reject_time_series(field: Field, source: Source, others: Callable[[Source], Sequence[str]]) -> None:
    """Raise DataError if the detected text column of `source` holds timestamps, or names that repeat beside timestamps.

    `others` returns the columns of the other fields. A column that the user has named is accepted.
    """
    rows = source.first_rows()
    if not isinstance(field, Text) or field.column is not None or not rows:
        return
    times = [column for column in source.columns if is_date_column(column, [cell(row, column) for row in rows])]
    if not times:
        return
    column = field.find(source, others(source))
    texts = [cell(row, column) for row in rows]
    if column in times or 2 * len(set(texts)) <= len(texts):
        raise DataError(
            f"the rows look like time series: column {times[0]!r} holds timestamps, and no column holds text; "
            "use `recurra train forecast`, or select the text column with --text",
            file=source.path,
        )
