"""Tables of pairs with or without a header. Files of Chinese couplets often have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.sources.rows import Source
from ...data.sources.sources import open_source
from ...data.sources.tables import Delimited
from ...data.words.pretokenize import han_fraction
from ...errors import SettingError
from ...fields.paired_text import SOURCE_NAMES, TARGET_NAMES


def open_pairs(
    data: str | Path, *, encoding: str, skip_broken: bool, header: bool | None, requested: Sequence[str] = ()
) -> Source:
    """Open a table of pairs.

    header     whether the first line contains column names. None: it does unless it consists of two Chinese texts of equal
               length that are neither common column names nor `requested`
    requested  the columns that the user named

    Raises SettingError if `header` is False and the file is not a CSV or TSV file.
    """
    source = open_source(data, encoding=encoding, skip_broken=skip_broken)
    if not isinstance(source, Delimited):
        if header is False:
            raise SettingError(f"header is false, but {source.path} is not a CSV or TSV file; leave header out")
        return source
    if header is None:
        header = _is_header(source.columns, requested)
    return source if header else source.without_header()


def _is_header(first_line: Sequence[str], requested: Sequence[str]) -> bool:
    """Whether the first line of a table of pairs contains column names."""
    if len(first_line) != 2:
        return True
    if any(cell in requested or cell.lower() in (*SOURCE_NAMES, *TARGET_NAMES) for cell in first_line):
        return True
    one, other = first_line
    return len(one) != len(other) or min(han_fraction([one]), han_fraction([other])) <= 0.5


def lacks_header(source: Source) -> bool:
    """Whether an open table has no header, so that its first line is a pair."""
    return isinstance(source, Delimited) and not source.header
