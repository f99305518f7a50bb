"""Determines how the numbers of the columns of a file are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recurra.data.sources.numbers import NumberFormat, Parts, split_number
from recurra.data.sources.rows import Source
from recurra.errors import SettingError

_OTHER = {",": ".", ".": ","}


@dataclass
class _Evidence:
    """The cells of a column that show how its numbers are written, one example of each kind."""

    marks: Counter[str] = field(default_factory=Counter)  # decimal mark, among cells that allow only one
    groups: Counter[str] = field(default_factory=Counter)  # thousands separator, among the same cells
    unclear: dict[str, str] = field(default_factory=dict)  # a mark before three digits, and the first such cell
    units: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)  # first cell with a separator, unit or scale

    @classmethod
    def of(cls, cells: Iterable[object], missing: tuple[str, ...]) -> _Evidence:
        """Collect the evidence of the cells that are text."""
        evidence, blank = cls(), NumberFormat(missing=missing)
        for cell in cells:
            if isinstance(cell, str) and not blank.is_missing(cell) and (parts := split_number(cell)):
                evidence._add(cell, parts)
        return evidence

    def _add(self, cell: str, parts: Parts) -> None:
        self.units[parts.unit] += 1
        body = re.split("[eE]", parts.body)[0]
        if parts.unit:
            self.examples.setdefault(parts.unit, cell)
        if parts.scale != 1:
            self.examples.setdefault("scale", cell)
        for group in " '":
            if group in body:
                self.groups[group] += 1
                self.examples.setdefault("group", cell)
        dots, commas = body.count("."), body.count(",")
        if dots and commas:
            mark = max(".,", key=body.rfind)
            self._decide(cell, mark, _OTHER[mark])
        elif dots + commas > 1:
            group = "." if dots else ","
            self._decide(cell, _OTHER[group], group)
        elif dots + commas == 1:
            mark = "." if dots else ","
            whole, _, fraction = body.partition(mark)
            if len(fraction) != 3 or not 1 <= len(whole) <= 3 or whole.startswith("0"):
                self._decide(cell, mark, "")
            else:
                self.unclear.setdefault(mark, cell)

    def _decide(self, cell: str, mark: str, group: str) -> None:
        self.marks[mark] += 1
        if group:
            self.groups[group] += 1
        if group or mark == ",":
            self.examples.setdefault("group", cell)

    @property
    def mark(self) -> str | None:
        """The decimal mark that most cells require; None if all cells allow both."""
        return self.marks.most_common(1)[0][0] if self.marks else None


def detect_formats(
    columns: Mapping[str, Sequence[object]],
    *,
    decimal: str | None = None,
    missing: str | None = None,
    semicolons: bool = False,
    known: Mapping[str, NumberFormat] | None = None,
) -> tuple[dict[str, NumberFormat], list[str]]:
    """Determine the format of the numbers of each column. Return them by column, and messages about the decisions.

    A column in which `1,234` could be 1.234 or 1234 takes the decimal mark of the other columns. If they do not show one, the
    known format decides; without it a comma is a decimal mark in a file separated by semicolons and else separates thousands.

    Args:
        columns: the first cells of each column. Columns of text get the format of plain numbers.
        decimal: the decimal mark that the user named.
        missing: further markers of missing values that the user named, separated by commas.
        semicolons: whether the cells of the file are separated by semicolons.
        known: the formats of an earlier file with the same columns.

    Example:
        >>> formats, messages = detect_formats({"a": ["1,234", "5,678"], "b": ["0,5", "2,25"]})
        >>> formats["a"].parse("1,234")
        1.234
    """
    if decimal not in (None, ".", ","):
        raise SettingError(f"decimal = {decimal!r} is not a decimal mark; expected . or ,")
    markers = tuple(marker.strip().lower() for marker in missing.split(",")) if missing else ()
    evidence = {name: _Evidence.of(cells, markers) for name, cells in columns.items()}
    marks = Counter(one.mark for one in evidence.values() if one.mark)
    shared = marks.most_common(1)[0][0] if marks else None
    formats, messages = dict[str, NumberFormat](), list[str]()
    unclear: dict[bool, list[str]] = {True: [], False: []}  # whether the other columns decided
    for name, one in evidence.items():
        earlier = (known or {}).get(name)
        if decimal:
            mark = decimal
        elif one.mark or not one.unclear:
            mark = one.mark or (earlier.decimal if earlier else shared or ".")
        elif shared:
            mark = shared
        elif earlier:
            mark = earlier.decimal
        else:
            mark = "," if semicolons and "," in one.unclear else "."
        other = _OTHER[mark]
        group = next((g for g in " '" if one.groups[g]), "")
        if not group and (one.groups[other] or other in one.unclear):
            group = other
        unit = max((unit for unit in one.units if unit), key=one.units.__getitem__, default="")
        formats[name] = NumberFormat(mark, group, unit, markers)
        if not one.mark and not decimal and not earlier and one.unclear and ("," in one.unclear or mark == ","):
            cell = next(iter(one.unclear.values()))
            unclear[bool(shared)].append(f"{name} ({cell.strip()!r} is {formats[name].parse(cell):.12g})")
        elif one.examples and earlier is None:
            shown = dict.fromkeys(one.examples.values())
            read = ", ".join(f"{cell.strip()!r} is {formats[name].parse(cell):.12g}" for cell in shown
                             if formats[name].parse(cell) is not None)  # fmt: skip
            messages += [f"{name} ({read})"] if read else []
    lines = [f"numbers in the format of the column: {_listed(messages)}"] if messages else []
    if unclear[True]:
        lines.append(f"numbers with the decimal mark {shared!r} of other columns: {_listed(unclear[True])}")
    if unclear[False]:
        lines.append(
            f"warning: no cell shows whether a comma marks decimals or thousands: {_listed(unclear[False])}; "
            "use --decimal , or --decimal . to set it"
        )
    return formats, lines


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more columns" if len(items) > 4 else "")


def number_format(cells: Sequence[object]) -> NumberFormat:
    """Return the format of the numbers of a column."""
    return detect_formats({"": cells})[0][""]


def has_semicolons(source: Source) -> bool:
    """Whether the cells of a file are separated by semicolons, as where a comma marks decimals."""
    return getattr(getattr(source, "facts", None), "separator", None) == ";"
