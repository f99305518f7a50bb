"""Backtesting: forecasts from rolling origins in a file, compared with the observed values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ...data.series.series import TimeSeriesTable
from ...errors import DataError
from ...metrics.forecasts import Coverage, ForecastErrors
from ..base import OnProgress
from .metadata import SeriesMetadata
from .panel import Panel
from .pipeline import ForecastPipeline
from .windows import Integers


def backtest(
    pipeline: ForecastPipeline,
    network: nn.Module,
    metadata: SeriesMetadata,
    table: TimeSeriesTable,
    *,
    num_windows: int | None,
    step_size: int,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Return the metrics of forecasts from rolling origins, and of the naive and the seasonal naive forecast.

    pipeline, network, metadata   of the run
    table                         the series of the file
    num_windows                   number of latest origins per series; None for all
    step_size                     number of time steps between two origins of a series

    The first origin of a series is preceded by a context and a period; the last one is followed by a horizon. Series without
    an origin are counted in `skipped_series`. Raises DataError if no series has an origin.
    """
    panel = metadata.panel(table.series)
    origins = _rolling_origins(pipeline, panel, table.path, step_size, num_windows)
    owners = panel.series_of(origins)
    # Statistics of series that were not in the training data are computed before the first origin.
    panel = metadata.panel(table.series, until={
        one.name: int(origins[owners == s].min(initial=panel.starts[s + 1]) - panel.starts[s])
        for s, one in enumerate(table.series)})  # fmt: skip
    errors = {"forecast": ForecastErrors(), "naive": ForecastErrors(), "seasonal naive": ForecastErrors()}
    coverage, total, count, scales = Coverage(pipeline.levels), 0.0, 0, panel.error_scales()
    for windows, batch, output in pipeline.run(network, panel, origins, on_progress):
        losses = pipeline.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        values = pipeline.forecasts(network, windows, output)
        coverage.add(windows.y, values[..., 1:])
        naive, seasonal = panel.naive(windows), panel.seasonal_naive(windows)
        means_and_medians = (
            (values[..., 0], values[..., 1 + pipeline.median_index]),
            (naive, naive),
            (seasonal, seasonal),
        )
        for one, (mean, median) in zip(errors.values(), means_and_medians, strict=True):
            one.add(windows.y, mean, median, *scales[windows.series].T)
    metrics = {name: one.metrics() for name, one in errors.items()}
    s, skipped = int(owners[0]), len(table.series) - len(np.unique(owners))
    shown = origins[[0, -1]] if len(table.series) == 1 else origins[:1]
    times = table.series[s].format_times(shown - panel.starts[s])
    return {
        "loss": total / max(count, 1),
        **metrics["forecast"],
        **coverage.intervals(),
        "forecasts": len(origins),
        **({"skipped_series": skipped} if skipped else {}),
        "from": times[0],
        **({"to": times[1]} if len(times) > 1 else {}),
        "backtest": metrics,
    }


def _rolling_origins(
    pipeline: ForecastPipeline, panel: Panel, path: Path, step_size: int, num_windows: int | None
) -> Integers:
    context_length, horizon = pipeline.context_length, pipeline.horizon
    first = panel.starts[:-1] + np.maximum(context_length, panel.seasonality)
    last = panel.starts[1:] - horizon
    if not (first <= last).any():
        raise DataError(
            f"the series are too short for a backtest: the longest one has {int(np.diff(panel.starts).max()):,} time steps; a "
            f"context of {context_length:,}, a period of {int(panel.seasonality.max()):,} and a horizon of {horizon:,} require "
            f"{max(context_length, int(panel.seasonality.min())) + horizon:,}",
            file=path,
        )
    origins = panel.origins(first, last, horizon, step_size, num_windows)
    if not len(origins):
        raise DataError("the file contains no value to compare a forecast with", file=path)
    return origins
