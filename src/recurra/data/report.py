"""What was found in the data, in two or three lines a person understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from recurra.data.sources.row_errors import skipped

_SHOWN = 6  # classes named in the line
_RARE = 5  # examples; a class with fewer is hardly learnt


@dataclass(frozen=True)
class DataReport:
    """Counts of one pass over the data. `lengths` are quantiles of the rows' steps in `unit`."""

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
        """The figures for `lengths`: mean, median, 95 % quantile, longest."""
        values = np.asarray(lengths)
        if not values.size:
            return {}
        median, high = np.quantile(values, [0.5, 0.95])
        mean, longest = float(values.mean()), float(values.max())
        return {"mean": mean, "median": float(median), "p95": float(high), "longest": longest}

    def lines(self) -> list[str]:
        """The report: rows, classes, and what was skipped, a line each; nothing is said of what is not there."""
        first = f"{self.rows:,} rows"
        if self.lengths:
            figures = self.lengths
            first += f" of {figures['mean']:,.0f} {self.unit} on average (95 % up to {figures['p95']:,.0f}, "
            first += f"longest {figures['longest']:,.0f})"
        notes = [f"{self.duplicates:,} repeat another row"] if self.duplicates else []
        notes += [f"{self.empty:,} are empty"] if self.empty else []
        lines = ["; ".join([first, *notes])]
        if self.classes:
            lines.append(self._balance())
        if self.broken:
            lines.append(skipped(self.broken, self.broken_places[0] if self.broken_places else None))
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
