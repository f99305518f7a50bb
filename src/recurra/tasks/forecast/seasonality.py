"""The season of each time step that series have, and the horizon that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.series.season import find_season
from ...data.series.series import Series


def find_seasons(
    series: Sequence[Series], cuts: Mapping[str, int], requested: int | None
) -> tuple[dict[str, int], str]:
    """The steps of a season, by the name of the grid, and how they were found.

    `requested` for all grids; else by the autocorrelation of the steps before `cuts`.
    """
    seasons: dict[str, int] = {}
    reasons: list[str] = []
    names = list(dict.fromkeys(one.grid.name for one in series))
    for name in names:
        if requested is not None:
            seasons[name] = requested
            reasons.append(f"{requested} steps, as asked")
            continue
        group = [one for one in series if one.grid.name == name]
        values = [one.values[: cuts.get(one.name, len(one))] for one in group]
        season, strength = find_season(values, group[0].grid)
        seasons[name] = season
        plain = f"{season} steps, found by the autocorrelation ({strength:.2f})" if season > 1 else "none found"
        reasons.append(plain if len(names) == 1 else f"{name} {plain}")
    return seasons, "; ".join(dict.fromkeys(reasons))


def default_horizon(series: Sequence[Series], seasons: Mapping[str, int]) -> int:
    """The shortest season that fits the series eight times, else a twentieth of them."""
    length = int(np.median([len(one) for one in series]))
    grid = series[0].grid
    fits = [m for m in (*grid.season_candidates(), seasons[grid.name]) if 4 <= m <= length // 8]
    return min(fits) if fits else max(min(length // 20, 24), 1)
