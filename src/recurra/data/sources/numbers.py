"""Numbers in the cells of tables: decimal marks, thousands separators, currency and percent signs, missing values.

    1050.64    1,050.64    1.050,64    1 050,64    1'050.64    $1,050.64    1.5%    1.2M    (3.50)    1e-3    NA

All cells of a column are written in one format, which `detect_formats` determines from the first rows. A cell that does not have
this format is not a number: `1,5` is never read as 15.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from recurra.errors import SettingError

MISSING = frozenset(
    ("", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "none", "nil", "-", "--", "---", "?")
    + (".", "..", "...", ":", "\\n", "missing")
)
LIMIT = 1e100  # Squares and sums of larger numbers overflow.

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_CURRENCY = (
    r"(?:US|R|C|CA|A|AU|HK|NT|NZ|S)?\$|[€£¥₹₩₽₺฿₫₴₪元円]|Rs\.?|kr\.?|zł|Kč|Fr\.?"
    r"|USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|CAD|AUD|BRL|RUB|SEK|NOK|DKK|PLN"
)
_BODY = r"\d[\d.,' ]*(?:[eE][+-]?\d+)?|[.,]\d+(?:[eE][+-]?\d+)?"
_CELL = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<prefix>{_CURRENCY})?\s*(?P<inner>[+-]?)(?P<body>{_BODY}?)"
    rf"(?P<scale>[kKMBT]?)(?P<after>-?)\s*(?P<suffix>{_CURRENCY}|[%‰])?"
)
_SCALES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_OTHER = {",": ".", ".": ","}


class _Parts(NamedTuple):
    """A cell without its sign and unit."""

    negative: bool
    body: str
    scale: float
    unit: str


@lru_cache(maxsize=1 << 14)
def _split(text: str) -> _Parts | None:
    """Return the parts of a cell, or None if it is not a number in any format."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2019", "'")
    text = text.strip()
    negative = text.startswith("(") and text.endswith(")")
    match = _CELL.fullmatch(text[1:-1].strip() if negative else text)
    if match is None:
        return None
    signs = match["sign"] + match["inner"] + match["after"]
    units = [unit for unit in (match["prefix"], match["suffix"]) if unit]
    if len(signs) + negative > 1 or len(units) > 1:
        return None
    return _Parts(negative or "-" in signs, match["body"].strip(), _SCALES[match["scale"]], "".join(units))


@dataclass(frozen=True)
class NumberFormat:
    """The format of the numbers of a column.

    Attributes:
        decimal: the decimal mark, `.` or `,`.
        thousands: the thousands separator, one of `,`, `.`, `'`, a blank; empty for none.
        unit: the currency or percent sign of the cells, which is removed; empty for none.
        missing: further markers of missing values, in lower case.

    Example:
        >>> NumberFormat(",", ".").parse("1.050,64")
        1050.64
        >>> NumberFormat().parse("1,5") is None
        True
        >>> NumberFormat().parse("NA")
        nan
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    missing: tuple[str, ...] = ()

    @cached_property
    def _body(self) -> re.Pattern[str]:
        mark, group = re.escape(self.decimal), re.escape(self.thousands)
        whole = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)" if group else r"\d+"
        return re.compile(rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?")

    @cached_property
    def _missing_numbers(self) -> frozenset[float]:
        """The numbers among the further markers: -200 marks -200.0 as well."""
        return frozenset(float(marker) for marker in self.missing if _PLAIN.fullmatch(marker))

    def is_missing(self, cell: object) -> bool:
        """Whether a cell is empty or has a marker of missing values."""
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return True
        text = str(cell).strip().lower()
        return text in MISSING or text in self.missing

    def parse(self, cell: object) -> float | None:
        """Return the number in a cell, NaN for a missing value, or None if the cell is not a finite number."""
        if isinstance(cell, str):
            value = self._parse_text(cell)
        elif self.is_missing(cell):
            return math.nan
        else:
            try:
                value = float(cell)  # type: ignore[arg-type]
            except (TypeError, ValueError, OverflowError):
                return None
        if value is None or math.isnan(value):
            return value
        if self._missing_numbers and value in self._missing_numbers:
            return math.nan
        return value if abs(value) <= LIMIT else None

    def _parse_text(self, cell: str) -> float | None:
        if self.decimal == "." and self.unit not in ("%", "‰") and _PLAIN.fullmatch(cell):
            return float(cell)
        if self.is_missing(cell):
            return math.nan
        parts = _split(cell)
        if parts is None or not self._body.fullmatch(parts.body) or not self._has_unit(parts):
            return None
        body = parts.body.replace(self.thousands, "") if self.thousands else parts.body
        value = float(body.replace(",", ".")) * parts.scale
        return -value if parts.negative else value

    def _has_unit(self, parts: _Parts) -> bool:
        """Whether the cell has the unit of the column; a currency may be absent, and a percent sign only from a zero."""
        if self.unit in ("%", "‰"):
            return parts.unit == self.unit or (not parts.unit and not parts.body.strip("0.,"))
        return parts.unit in ("", self.unit)

    def problem(self, cell: object) -> str:
        """Return what is wrong with a cell that `parse` rejects, as the end of a sentence."""
        shown = f"{str(cell)[:40]!r}"
        parts = _split(cell) if isinstance(cell, str) else None
        try:
            value = float(cell) if parts is None else math.nan  # type: ignore[arg-type]
        except (TypeError, ValueError):
            value = math.nan
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            return f"{shown} is not a finite number; leave the cell empty or use --missing {str(cell).strip()[:20]}"
        if parts is None:
            return f"{shown} is not a number" + (f" below {LIMIT:g}" if abs(value) > LIMIT else "")
        if not self._has_unit(parts):
            expected = f"other cells of the column have {self.unit}" if self.unit else "other cells have no unit"
            return f"{shown} has {f'the unit {parts.unit}' if parts.unit else 'no unit'}, but {expected}"
        if self._body.fullmatch(parts.body):
            return f"{shown} is not a number below {LIMIT:g}"
        return f"{shown} is not a number with the decimal mark {self.decimal!r}{self._thousands_text()}; use --decimal"

    def _thousands_text(self) -> str:
        names = {" ": "blanks", "": ""}
        text = names.get(self.thousands, repr(self.thousands))
        return f" and {text} between thousands" if text else ""


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
            if isinstance(cell, str) and not blank.is_missing(cell) and (parts := _split(cell)):
                evidence._add(cell, parts)
        return evidence

    def _add(self, cell: str, parts: _Parts) -> None:
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
