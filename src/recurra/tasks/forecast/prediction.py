"""Forecasts of series as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from ...data.series.series import Series
from ...errors import CallError, DataError
from .example import check_forecast, from_example
from .metadata import SeriesMetadata
from .pipeline import ForecastPipeline
from .windows import Floats


def predict(
    pipeline: ForecastPipeline, network: nn.Module, metadata: SeriesMetadata, examples: Sequence[Any]
) -> list[dict[str, Any]]:
    """The next `horizon` values of each example. CallError with the number of one that cannot be used."""
    series = [_series_of(example, at, pipeline, metadata) for at, example in enumerate(examples, 1)]
    panel = metadata.panel(series, ahead=pipeline.horizon)
    results = []
    for windows, _, output in pipeline.run(network, panel, panel.starts[1:] - pipeline.horizon):
        forecasts = pipeline.forecasts(network, windows, output)
        results += [
            _as_json(series[s], forecast, pipeline)
            for s, forecast in zip(windows.series.tolist(), forecasts, strict=True)
        ]
    return results


def _series_of(example: Any, number: int, pipeline: ForecastPipeline, metadata: SeriesMetadata) -> Series:
    try:
        series = from_example(example, metadata)
        check_forecast(series, metadata, pipeline.window, pipeline.horizon)
    except DataError as error:
        where = DataError(error.message, row=error.row, field=error.field)
        raise CallError(f"example {number}: {where}") from None
    return series


def _as_json(one: Series, forecast: Floats, pipeline: ForecastPipeline) -> dict[str, Any]:
    """`forecast` (H, 1 + Q)."""
    quantiles = {f"{level:g}": _rounded(forecast[:, at]) for at, level in enumerate(pipeline.levels, 1)}
    return {
        **({"series": one.name} if one.name else {}),
        "time": one.stamps(len(one) + np.arange(pipeline.horizon)),
        "mean": _rounded(forecast[:, 0]),
        "median": quantiles["0.5"],
        "quantiles": quantiles,
    }


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
