"""Forecasts of series as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from ...data.series.options import SeriesOptions
from ...data.series.series import TimeSeries
from ...errors import CallError, DataError
from .example import check_forecast, from_example
from .metadata import SeriesMetadata
from .pipeline import ForecastPipeline
from .windows import Floats


def predict(
    pipeline: ForecastPipeline,
    network: nn.Module,
    metadata: SeriesMetadata,
    examples: Sequence[Any],
    options: SeriesOptions,
) -> list[dict[str, Any]]:
    """Forecast the next `horizon` values of each example. Raises CallError with the number of an example that is invalid."""
    series = [_time_series(example, at, pipeline, metadata, options) for at, example in enumerate(examples, 1)]
    panel = metadata.panel(series, horizon=pipeline.horizon)
    results = []
    for windows, _, output in pipeline.run(network, panel, panel.starts[1:] - pipeline.horizon):
        forecasts = pipeline.forecasts(network, windows, output)
        for s in windows.series[~np.isfinite(forecasts).all((1, 2))].tolist():
            largest = float(np.nanmax(np.abs(series[s].values[-pipeline.context_length :])))
            raise CallError(
                f"example {s + 1}: the forecast is not finite, since the context has a value of {largest:g}, which is too far "
                "from the training data"
            )
        results += [
            _as_json(series[s], forecast, pipeline)
            for s, forecast in zip(windows.series.tolist(), forecasts, strict=True)
        ]
    return results


def _time_series(
    example: Any, number: int, pipeline: ForecastPipeline, metadata: SeriesMetadata, options: SeriesOptions
) -> TimeSeries:
    try:
        series = from_example(example, metadata, options)
        check_forecast(series, metadata, pipeline.context_length, pipeline.horizon)
    except DataError as error:
        location = DataError(error.message, row=error.row, field=error.field)
        raise CallError(f"example {number}: {location}") from None
    return series


def _as_json(one: TimeSeries, forecast: Floats, pipeline: ForecastPipeline) -> dict[str, Any]:
    """Return a forecast (H, 1 + Q) as a JSON object."""
    quantiles = {f"{level:g}": _rounded(forecast[:, at]) for at, level in enumerate(pipeline.levels, 1)}
    return {
        **({"series": one.name} if one.name else {}),
        "time": one.format_times(len(one) + np.arange(pipeline.horizon)),
        "mean": _rounded(forecast[:, 0]),
        "median": quantiles["0.5"],
        "quantiles": quantiles,
    }


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
