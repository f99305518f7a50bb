"""Finds the labels of a table: one class per row, or several labels per row in one column or in one column for each label.

label              pos                            one class per row
cells              a;b  a|b  <a><b>  ["a", "b"]    several labels in one cell
columns            one column of 0 and 1 per label, as in the toxic comments of Jigsaw
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..data.sources.columns import by_name, find_label
from ..data.sources.list_cells import parse_list
from ..data.sources.rows import Source
from ..data.sources.usual_names import LABEL_NAMES
from ..errors import DataError
from .label_names import label_text

SEVERAL_NAMES = (
    *("labels", "tags", "categories", "genres", "topics", "classes", "emotions", "label_ids", "codes", "subjects"),
    *("keywords", "intents", "genre_ids"),
)
SEPARATORS = ("><", ";", "|", ",", " ")  # in the order in which they are tried
_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_NAMES = {"><": "<...><...>", ";": "semicolon", "|": "|", ",": "comma", " ": "blanks"}


@dataclass(frozen=True)
class LabelForm:
    """Where the labels of a row are.

    Attributes:
        kind: label (one class), cells (several labels in a cell), or columns (a column for each label).
        columns: the column, or the column of each label.
        separator: between the labels of a cell of text; None for lists.
        reason: why this form was chosen.
    """

    kind: Literal["label", "cells", "columns"]
    columns: tuple[str, ...]
    separator: str | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The form as JSON."""
        return {**asdict(self), "columns": list(self.columns)}

    @staticmethod
    def from_json(values: dict[str, Any]) -> LabelForm:
        """The form that `to_json` returned."""
        return LabelForm(values["kind"], tuple(values["columns"]), values["separator"], values["reason"])


def find_label_form(source: Source, requested: str | None, several: bool | None) -> LabelForm:
    """Return where the labels are.

    Args:
        source: the rows.
        requested: the column that the user named, or the columns of the labels, separated by commas.
        several: whether a row has several labels; None: detect it.

    Raises:
        DataError: there is no such column, no column looks like the label, or several do.
    """
    if requested is not None and requested not in source.columns and "," in requested:
        columns = tuple(source.need(name.strip()) for name in requested.split(","))
        if several is False:
            raise DataError(f"--label names {len(columns)} columns, which requires --multi-label", file=source.path)
        return LabelForm("columns", columns, reason="as requested")
    column = source.need(requested) if requested is not None else _find(source, several)
    if isinstance(column, tuple):
        reason = f"{len(column)} columns contain only 0 and 1"
        return LabelForm("columns", column, reason=reason)
    values = [row.values.get(column) for row in source.first_rows()]
    if several is False:
        return LabelForm("label", (column,))
    if any(_is_list(value) for value in values):
        long = any(len(_as_list(value) or ()) != 1 for value in values if _is_list(value))
        if several or long:
            return LabelForm("cells", (column,), reason=f"cells of column {column!r} are lists of labels")
        return LabelForm("label", (column,))
    cells = [str(value).strip() for value in values if value is not None]
    separator = find_separator(cells, surely=several is True)
    if separator is not None or several:
        name = "one label" if separator is None else f"labels separated by {_NAMES[separator]}"
        return LabelForm("cells", (column,), separator, f"cells of column {column!r} contain {name}")
    return LabelForm("label", (column,))


def _find(source: Source, several: bool | None) -> str | tuple[str, ...]:
    """The column of the labels, by its name or its content, or the columns of 0 and 1."""
    rows = [row.values for row in source.first_rows()]
    named = by_name(source.columns)
    if several is not False:
        binary = tuple(column for column in source.columns if _is_binary([row.get(column) for row in rows]))
        usual = next((named[name] for name in LABEL_NAMES if name in named and named[name] not in binary), None)
        lists = next((named[name] for name in SEVERAL_NAMES if name in named and named[name] not in binary), None)
        if usual is None and lists is not None:
            source.reasons[lists] = "its name is usual for the labels"
            return lists
        if usual is None and len(binary) > 1 and not any(name in named for name in LABEL_NAMES):
            source.reasons.update(dict.fromkeys(binary, "it contains only 0 and 1"))
            return binary
    return find_label(source)


def _is_binary(values: Sequence[Any]) -> bool:
    texts = {str(value).strip().lower() for value in values if not isinstance(value, list | dict)}
    return bool(texts) and texts <= {*_TRUE, *_FALSE} and all(not isinstance(value, list) for value in values)


def truth(value: Any) -> bool | None:
    """Whether a cell of 0 and 1 states that the label is present; None for another value."""
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _is_list(value: Any) -> bool:
    return _as_list(value) is not None


def _as_list(value: Any) -> list[Any] | None:
    """The list in a cell: a list, or a text in the syntax of Python or JSON; None for another value."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return parse_list(value)
        except ValueError:
            return None
    return None


def split_labels(value: Any, separator: str | None) -> list[str]:
    """The labels of a cell, in order and once each; an empty cell has none.

    >>> split_labels("a; b;a", ";"), split_labels("<c><python>", "><"), split_labels(["x", 1], None), split_labels("", ";")
    (['a', 'b'], ['c', 'python'], ['x', '1'], [])
    """
    items = _as_list(value)
    if items is None:
        text = str(value).strip()
        if separator == "><":
            items = re.findall(r"<([^<>]+)>", text)
        elif separator == " ":
            items = text.split()
        else:
            items = [text] if separator is None else text.split(separator)
    names = (label_text(item) for item in items)
    return list(dict.fromkeys(name for name in names if name))


def find_separator(cells: Sequence[str], *, surely: bool = False) -> str | None:
    """The separator of several labels in the cells of a column; None if each cell is one class.

    Cells of several labels combine few labels in many ways: there are fewer labels than different cells, and at least half of
    the labels also occur alone, or with another neighbor. With `surely` the first separator that occurs is used.

    >>> find_separator(["a|b", "a", "b", "b|c", "c|a"]), find_separator(["New York", "New Jersey", "Los Angeles"])
    ('|', None)
    """
    distinct = {cell for cell in cells if cell}
    for separator in SEPARATORS:
        sets = {cell: split_labels(cell, separator) for cell in distinct}
        if separator == "><" and not all(re.fullmatch(r"(<[^<>]+>)+", cell) for cell in distinct):
            continue
        several = [names for names in sets.values() if len(names) > 1]
        if not several:
            continue
        if surely or separator == "><" or _combine(list(sets.values()), strict=separator == " "):
            return separator
    return None


def _combine(sets: Sequence[Sequence[str]], *, strict: bool) -> bool:
    """Whether sets of names are combinations of a smaller number of labels."""
    labels = {name for names in sets for name in names}
    if len(labels) >= len(sets):
        return False
    alone = {names[0] for names in sets if len(names) == 1}
    if 2 * len(alone) >= len(labels):
        return True
    neighbors: dict[str, set[str]] = {name: set() for name in labels}
    for names in sets:
        for name in names:
            neighbors[name].update(other for other in names if other != name)
    return not strict and sum(len(others) > 1 for others in neighbors.values()) > 0.5 * len(labels)
