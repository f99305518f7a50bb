"""The report about a dataset that `train` prints: counts, classes and skipped rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from recurra.data.sources.row_errors import skipped
from recurra.data.sources.skipped_rows import SKIPPED

_SHOWN = 6  # classes that the report lists
_RARE = 5  # classes with fewer examples are reported


@dataclass(frozen=True)
class DataReport:
    """Counts of one pass over the data.

    Attributes:
        rows: number of rows.
        broken: number of skipped rows.
        broken_places: the errors of the first skipped rows.
        duplicates: number of rows that repeat another row.
        empty: number of empty rows.
        classes: number of rows of each class.
        lengths: statistics of the lengths, as `quantiles` returns them.
        unit: the unit of the lengths.
    """

    rows: int
    broken: int = 0
    broken_places: tuple[str, ...] = ()
    duplicates: int = 0
    empty: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    lengths: Mapping[str, float] = field(default_factory=dict)
    unit: str = "tokens"

    @staticmethod
    def quantiles(lengths: ArrayLike) -> dict[str, float]:
        """Return statistics of lengths: mean, median, 95 % quantile and maximum."""
        values = np.asarray(lengths)
        if not values.size:
            return {}
        median, high = np.quantile(values, [0.5, 0.95])
        mean, longest = float(values.mean()), float(values.max())
        return {"mean": mean, "median": float(median), "p95": float(high), "longest": longest}

    def lines(self) -> list[str]:
        """Return one line each about the rows, the classes and the skipped rows, where there are any."""
        first = f"{self.rows:,} rows"
        if self.lengths:
            stats = self.lengths
            first += f" of {stats['mean']:,.0f} {self.unit} on average (95 % up to {stats['p95']:,.0f}, "
            first += f"longest {stats['longest']:,.0f})"
        notes = [f"{self.duplicates:,} repeat another row"] if self.duplicates else []
        notes += [f"{self.empty:,} are empty"] if self.empty else []
        lines = ["; ".join([first, *notes])]
        if self.classes:
            lines.append(self._balance())
        if self.broken:
            place = self.broken_places[0] if self.broken_places else None
            lines.append(f"{skipped(self.broken, place)}; all are listed in {SKIPPED} of the run")
        return lines

    def _balance(self) -> str:
        ranked = sorted(self.classes.items(), key=lambda item: (-item[1], item[0]))
        total = max(1, sum(self.classes.values()))
        named = [f"{name} {count:,} ({count / total:.0%})" for name, count in ranked[:_SHOWN]]
        if len(ranked) > _SHOWN:
            named.append(f"... {ranked[-1][0]} {ranked[-1][1]:,}")
        line = f"{len(ranked)} classes: {', '.join(named)}"
        most, least = ranked[0][1], ranked[-1][1]
        if most > 1.5 * least:
            line += f"; unbalanced, {most / max(1, least):,.0f} to 1"
        if rare := sum(count < _RARE for _, count in ranked):
            line += f"; {rare} with fewer than {_RARE} rows"
        return line
