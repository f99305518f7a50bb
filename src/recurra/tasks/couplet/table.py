"""Tables of pairs that may lack a header, which files of Chinese couplets often do."""

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
    data: str | Path, *, encoding: str, skip_broken: bool, header: bool | None, asked: Sequence[str] = ()
) -> Source:
    """The rows of a table of pairs.

    header  whether the first line names the columns. None: not where it is two cells of Chinese of one length that are no
            usual names of such columns, and none of them is `asked` for
    """
    source = open_source(data, encoding=encoding, skip_broken=skip_broken)
    if not isinstance(source, Delimited):
        if header is False:
            raise SettingError(f"header is false, and {source.path} is no CSV or TSV; leave it out")
        return source
    if header is None:
        header = _names_columns(source.columns, asked)
    return source if header else source.without_header()


def _names_columns(first_line: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether the first line of a table of pairs names its columns."""
    if len(first_line) != 2:
        return True
    if any(cell in asked or cell.lower() in (*SOURCE_NAMES, *TARGET_NAMES) for cell in first_line):
        return True
    one, other = first_line
    return len(one) != len(other) or min(han_fraction([one]), han_fraction([other])) <= 0.5


def lacks_header(source: Source) -> bool:
    """Whether the first line of an opened table is a pair."""
    return isinstance(source, Delimited) and not source.header
