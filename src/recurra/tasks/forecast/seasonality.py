"""The season of each kind of step, and the horizon that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.series.season import find_season
from ...data.series.series import Series


def find_seasons(series: Sequence[Series], cuts: Mapping[str, int], asked: int | None) -> tuple[dict[str, int], str]:
    """(steps of a season by the name of the grid, what to say of them); `asked` for all grids, else found before the cuts."""
    seasons: dict[str, int] = {}
    said: list[str] = []
    names = list(dict.fromkeys(one.grid.name for one in series))
    for name in names:
        if asked is not None:
            seasons[name] = asked
            said.append(f"{asked} steps, as asked")
            continue
        group = [one for one in series if one.grid.name == name]
        values = [one.values[: cuts.get(one.name, len(one))] for one in group]
        season, strength = find_season(values, group[0].grid)
        seasons[name] = season
        plain = f"{season} steps, found by the autocorrelation ({strength:.2f})" if season > 1 else "none found"
        said.append(plain if len(names) == 1 else f"{name} {plain}")
    return seasons, "; ".join(dict.fromkeys(said))


def usual_horizon(series: Sequence[Series], seasons: Mapping[str, int]) -> int:
    """A season that is not too long for the series, else a twentieth of them."""
    length = int(np.median([len(one) for one in series]))
    grid = series[0].grid
    fits = [m for m in (*grid.season_candidates(), seasons[grid.name]) if 4 <= m <= length // 8]
    return min(fits) if fits else max(min(length // 20, 24), 1)
