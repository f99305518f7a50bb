"""The seasonality of each time grid of the series, and the default horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.series.seasonality import detect_seasonality
from ...data.series.series import TimeSeries


def seasonality_by_grid(
    series: Sequence[TimeSeries], cutoffs: Mapping[str, int], requested: int | None
) -> tuple[dict[str, int], str]:
    """Return the period in time steps by the name of the time grid, and a message that explains it.

    series      all series
    cutoffs     number of time steps of the training part, by the name of the series; later time steps are not used
    requested   the user's period for all grids; None to detect it by the autocorrelation
    """
    periods: dict[str, int] = {}
    reasons: list[str] = []
    grids = list(dict.fromkeys(one.grid.name for one in series))
    for grid in grids:
        if requested is not None:
            periods[grid] = requested
            reasons.append(f"{requested} time steps, as requested")
            continue
        group = [one for one in series if one.grid.name == grid]
        values = [one.values[: cutoffs.get(one.name, len(one))] for one in group]
        period, strength = detect_seasonality(values, group[0].grid)
        periods[grid] = period
        reason = f"{period} time steps, detected by autocorrelation ({strength:.2f})" if period > 1 else "none detected"
        reasons.append(reason if len(grids) == 1 else f"{grid} {reason}")
    return periods, "; ".join(dict.fromkeys(reasons))


def default_horizon(series: Sequence[TimeSeries], periods: Mapping[str, int]) -> int:
    """Return the shortest period of at least 4 time steps that fits eight times into a series of median length.

    If there is none, return a twentieth of that length, at least 1 and at most 24.
    """
    length = int(np.median([len(one) for one in series]))
    grid = series[0].grid
    fitting = [period for period in (*grid.calendar_periods(), periods[grid.name]) if 4 <= period <= length // 8]
    return min(fitting) if fitting else max(min(length // 20, 24), 1)
