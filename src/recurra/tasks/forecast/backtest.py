"""A backtest: forecasts from rolling origins in a file, compared with what was observed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ...data.series.series import Table
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
    table: Table,
    *,
    origins: int | None,
    stride: int,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Metrics of forecasts from rolling origins, and of the naive and the seasonal naive forecast from the same ones.

    The first origin of a series has a window and a season before it, the last one a horizon after it; `origins` are the
    latest of each, `stride` steps apart. Series without any are counted as `series_not_judged`; DataError where none has one.
    """
    bare = metadata.panel(table.series)
    at = _rolling_origins(pipeline, bare, table.path, stride, origins)
    owners = bare.series_of(at)
    panel = metadata.panel(table.series, until={
        one.name: int(at[owners == s].min(initial=bare.starts[s + 1]) - bare.starts[s])
        for s, one in enumerate(table.series)})  # fmt: skip
    named = {"forecast": ForecastErrors(), "naive": ForecastErrors(), "seasonal naive": ForecastErrors()}
    coverage, total, count, units = Coverage(pipeline.levels), 0.0, 0, panel.error_units()
    for windows, batch, output in pipeline.run(network, panel, at, on_progress):
        losses = pipeline.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        values = pipeline.forecasts(network, windows, output)
        coverage.add(windows.y, values[..., 1:])
        naive, seasonal = panel.naive(windows), panel.seasonal_naive(windows)
        pairs = (values[..., 0], values[..., 1 + pipeline.middle]), (naive, naive), (seasonal, seasonal)
        for errors, (mean, median) in zip(named.values(), pairs, strict=True):
            errors.add(windows.y, mean, median, *units[windows.series].T)
    metrics = {name: errors.metrics() for name, errors in named.items()}
    s, left_out = int(owners[0]), len(table.series) - len(np.unique(owners))
    stamps = table.series[s].stamps((at[[0, -1]] if len(table.series) == 1 else at[:1]) - panel.starts[s])
    return {
        "loss": total / max(count, 1),
        **metrics["forecast"],
        **coverage.intervals(),
        "forecasts": len(at),
        **({"series_not_judged": left_out} if left_out else {}),
        "from": stamps[0],
        **({"to": stamps[1]} if len(stamps) > 1 else {}),
        "backtest": metrics,
    }


def _rolling_origins(pipeline: ForecastPipeline, panel: Panel, path: Path, stride: int, limit: int | None) -> Integers:
    window, horizon = pipeline.window, pipeline.horizon
    first, last = panel.starts[:-1] + np.maximum(window, panel.seasons), panel.starts[1:] - horizon
    if not (first <= last).any():
        raise DataError(
            f"is too short for a backtest: its longest series has {int(np.diff(panel.starts).max()):,} steps; a window of "
            f"{window:,}, a season of {int(panel.seasons.max()):,} and a horizon of {horizon:,} want "
            f"{max(window, int(panel.seasons.min())) + horizon:,}",
            file=path,
        )
    at = panel.origins(first, last, horizon, stride, limit)
    if not len(at):
        raise DataError("holds no value to compare a forecast with", file=path)
    return at
