"""What a section of the report consists of: texts, tables, figures. The template escapes all values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ..results import Array
from ..texts import text

DASHED = " "  # the end of the name of a curve that is drawn dashed


@final
@dataclass(frozen=True)
class Figure:
    """A figure, drawn by assets/report.js.

    Attributes:
        key: its texts: `KEY.title`, `KEY.how`, how to read it, and `KEY.normal`, what is normal.
        kind: "lines", "points" or "heat".
        values: what it shows, as JSON; see assets/report.js.
        facts: numbers in its texts.
        wide: whether it takes the whole width of the page.
    """

    key: str
    kind: str
    values: Mapping[str, Any]
    facts: Mapping[str, str] = field(default_factory=dict)
    wide: bool = False
    type: str = "figure"


@final
@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: the names of the columns.
        rows: the cells of each row.
        caption: one line about it; "" for none.
        shades: for each row the shades of its cells from 0 to 1, as in a confusion matrix; empty for none.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    shades: Sequence[Sequence[float]] = ()
    type: str = "table"


@final
@dataclass(frozen=True)
class Note:
    """A paragraph; `code` is shown below it as it is, to be copied."""

    text: str
    code: str = ""
    type: str = "note"


Block = Figure | Table | Note


@final
@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        key: `KEY.heading` is its heading.
        blocks: its contents; a reason in a `Note` where nothing can be shown.
    """

    key: str
    blocks: Sequence[Block]


@final
@dataclass(frozen=True)
class PageTexts:
    """The texts of the report in one language."""

    language: str

    def __call__(self, key: str, **facts: Any) -> str:
        """Return a text of the catalog."""
        return text(self.language, key, **facts)


def numbers(values: Array | Sequence[float], digits: int = 4) -> list[float | None]:
    """Return numbers for JSON with few digits; None where they are not finite."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in np.asarray(values, float).ravel()]


def short(value: Any, length: int = 160) -> str:
    """Return a value as text of limited length."""
    line = " ".join(str(value).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def curves_of(
    key: str,
    x: Array | Sequence[float],
    curves: Mapping[str, Array | Sequence[float]],
    labels: tuple[str, str],
    **more: Any,
) -> Figure:
    """Return a figure of curves over x.

    Args:
        key: of the texts.
        x: the horizontal axis.
        curves: the values by name; a name that ends in `DASHED` is drawn dashed.
        labels: of the horizontal and the vertical axis.
        **more: `facts`, `wide`, and what assets/report.js knows: `log`, `events`, `zero`.
    """
    facts, wide = more.pop("facts", {}), more.pop("wide", False)
    series = [
        {"label": name.removesuffix(DASHED), "y": numbers(values), "dash": name.endswith(DASHED)}
        for name, values in curves.items()
    ]
    values = {"x": numbers(x), "series": series, "xLabel": labels[0], "yLabel": labels[1], **more}
    return Figure(key, "lines", values, facts, wide)
