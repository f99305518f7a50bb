"""Numbers in the cells of tables: decimal marks, thousands separators, currency and percent signs, missing values.

    1050.64    1,050.64    1.050,64    1 050,64    1'050.64    $1,050.64    1.5%    1.2M    (3.50)    1e-3    NA

All cells of a column are written in one format, which number_formats.py determines from the first rows. A cell that does not
have this format is not a number: `1,5` is never read as 15.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

MISSING = {
    *("", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "none", "nil", "missing"),
    *("-", "--", "---", "?", ".", "..", "...", ":", "\\n"),
}  # in lower case
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


class Parts(NamedTuple):
    """A cell without its sign and unit."""

    negative: bool
    body: str
    scale: float
    unit: str


@lru_cache(maxsize=1 << 14)
def split_number(text: str) -> Parts | None:
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
    return Parts(negative or "-" in signs, match["body"].strip(), _SCALES[match["scale"]], "".join(units))


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

    def to_json(self) -> dict[str, Any]:
        """Return the attributes."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> NumberFormat:
        """Return the format whose attributes `to_json` returned."""
        return cls(**{**saved, "missing": tuple(saved["missing"])})

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
        parts = split_number(cell)
        if parts is None or not self._body.fullmatch(parts.body) or not self._has_unit(parts):
            return None
        body = parts.body.replace(self.thousands, "") if self.thousands else parts.body
        value = float(body.replace(",", ".")) * parts.scale
        return -value if parts.negative else value

    def _has_unit(self, parts: Parts) -> bool:
        """Whether the cell has the unit of the column. It may lack a currency, and a percent sign if its value is zero."""
        if self.unit in ("%", "‰"):
            return parts.unit == self.unit or (not parts.unit and not parts.body.strip("0.,"))
        return parts.unit in ("", self.unit)

    def problem(self, cell: object) -> str:
        """Return what is wrong with a cell that `parse` rejects: the cell, shortened, and the reason."""
        return f"{str(cell)[:40]!r} {self.reason(cell)}"

    def reason(self, cell: object) -> str:
        """Return the reason why `parse` rejects a cell, as a phrase such as `is not a number`."""
        parts = split_number(cell) if isinstance(cell, str) else None
        try:
            value = float(cell) if parts is None else math.nan  # type: ignore[arg-type]
        except (TypeError, ValueError):
            value = math.nan
        except OverflowError:
            value = 2 * LIMIT
        if math.isinf(value):
            return f"is not a finite number; leave the cell empty or use --missing {str(cell).strip()[:20]}"
        if abs(value) > LIMIT or (parts is not None and self._has_unit(parts) and self._body.fullmatch(parts.body)):
            return f"is too large; expected numbers up to {LIMIT:g}"
        if parts is None:
            return "is not a number"
        if not self._has_unit(parts):
            expected = f"other cells of the column have {self.unit}" if self.unit else "other cells have no unit"
            return f"has {f'the unit {parts.unit}' if parts.unit else 'no unit'}, but {expected}"
        return f"is not a number with the decimal mark {self.decimal!r}{self._thousands_text()}; set it with --decimal"

    def _thousands_text(self) -> str:
        names = {" ": "blanks", "": ""}
        text = names.get(self.thousands, repr(self.thousands))
        return f" and {text} between thousands" if text else ""
