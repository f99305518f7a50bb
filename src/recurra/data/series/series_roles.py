"""Finds the columns that name the series in long format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations

from recurra.data.sources.columns import by_name

SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id", "item", "sensor", "station", "序列", "编号")
UNAMBIGUOUS_SERIES_NAMES = SERIES_NAMES[:4]  # accepted even in a table without a time column
_ALWAYS = (*SERIES_NAMES[:2], "series_id", "ts_code", "ticker", "symbol")  # accepted even if there is one series
_KEY_WORDS = re.compile(
    r"(?:^|[_\s.])(?:id|ids|code|nbr|no|num|key|store|shop|item|product|sku|article|dept|department|family|category|brand|region|"
    r"state|country|city|county|province|station|sensor|meter|zone|site|location|line|route|unit|device|machine|customer|"
    r"client|user|account|symbol|ticker|name|series|household|building|airline|carrier|fips|iso|currency|type|variable|indicator)"
    r"(?:[_\s.]|$)"
)
_MAX_KEYS = 3
Cells = Mapping[str, Sequence[str]]


def find_series(cells: Cells, times: Sequence[Sequence[str]], is_text: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the columns that name the series; none in wide format.

    cells     the cells of the columns without another role
    times     the cells of the time columns
    is_text   which columns are not numeric

    They are the columns with usual names of series, or the fewest columns of text or keys that distinguish the rows of equal
    times. If several sets of columns do, one is taken if they divide the rows in the same way.
    """
    lower = by_name(list(cells))
    if not times:
        return next(((lower[name],) for name in UNAMBIGUOUS_SERIES_NAMES if name in lower), ())
    stamps = list(zip(*times, strict=True))
    rows = len(stamps)
    if len(set(stamps)) == rows:
        # The first rows may all belong to one long series, so only these names decide.
        certain = next((lower[name] for name in _ALWAYS if name in lower), None)
        return (certain,) if certain and rows > 1 else ()
    named = [lower[name] for name in SERIES_NAMES if name in lower]
    text = [column for column in cells if is_text[column]]
    keys = [column for column in cells if _is_key(column, cells[column])]
    candidates = [
        column for column in dict.fromkeys([*named, *text, *keys]) if 1 < len(set(cells[column])) < max(rows // 2, 3)
    ]
    for count in range(1, _MAX_KEYS + 1):
        found = [
            columns
            for columns in combinations(candidates[:12], count)
            if len(set(zip(stamps, *(cells[column] for column in columns), strict=True))) == rows
        ]
        if found:
            in_order = [tuple(column for column in cells if column in columns) for columns in found]
            preferred = found[0][0] in named or len(found) == 1 or _same_division(cells, in_order)
            return in_order[0] if preferred else ()
    return ()


def _is_key(name: str, cells: Sequence[str]) -> bool:
    """Whether a column of integers has the name of a key: store, item_nbr, Station ID."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return _KEY_WORDS.search(spaced.lower()) is not None and all(text.strip().lstrip("-").isdigit() for text in cells)


def _same_division(cells: Cells, options: Sequence[Sequence[str]]) -> bool:
    """Whether several sets of columns divide the rows into the same series."""
    divisions = [list(zip(*(cells[column] for column in columns), strict=True)) for columns in options]
    counts = {len(set(division)) for division in divisions}
    return len(counts) == 1 and len(set(zip(*divisions, strict=True))) in counts


def series_name(cells: Sequence[str]) -> str:
    """Return the name of a series from the cells of its key columns: `1/2`. Empty cells are left out."""
    return "/".join(text.strip() for text in cells if text.strip()) if len(cells) > 1 else cells[0]
