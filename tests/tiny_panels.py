"""Small panels of time series for tests of the task forecast."""

from __future__ import annotations

import numpy as np

from recurra.data.series.grid import TimeGrid
from recurra.data.series.series import TimeSeries
from recurra.tasks.forecast.panel import Panel

NAN = float("nan")


def panel(*series: list[float], seasonality: int = 2) -> Panel:
    """Return series without covariates, each with mean 10, standard deviation 2 and mean absolute value 5."""
    n = sum(map(len, series))
    starts = np.cumsum([0, *map(len, series)])
    none = np.zeros((n, 0), np.float32)
    stats = np.array([[10.0, 2.0, 5.0]] * len(series))
    return Panel(
        np.concatenate([np.array(one, float) for one in series]), none, none, none, starts, stats,
        np.full(len(series), seasonality), np.arange(1, len(series) + 1), np.zeros((len(series), 0), np.float32),
    )  # fmt: skip


def series(
    name: str, values: list[float], future: list[float] | None = None, static: tuple[str, ...] = ()
) -> TimeSeries:
    """Return one series on a grid of plain steps, with a future covariate if `future` is given."""
    n = len(values)
    columns = np.zeros((n, 0)) if future is None else np.array(future, float)[:, None]
    return TimeSeries(name, np.array(values, float), TimeGrid("step", 1), 0, columns, np.zeros((n, 0)), static)
