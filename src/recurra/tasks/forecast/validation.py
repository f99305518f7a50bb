"""Metrics on the validation part, and the calibration of the quantiles on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ...metrics.forecasts import Coverage, ForecastErrors
from ..base import OnProgress
from .calibration import calibration_factors
from .pipeline import ForecastPipeline, as_floats
from .split_windows import SplitWindows, evenly_spaced_indices
from .windows import Integers

MAX_WINDOWS = 8192  # of the validation part that are evaluated


def validate(
    pipeline: ForecastPipeline, network: nn.Module, split: SplitWindows, on_progress: OnProgress
) -> dict[str, Any]:
    """Return the metrics of the forecasts before calibration. The network does not change."""
    panel, errors, coverage = split.panel, ForecastErrors(), Coverage(pipeline.levels)
    total, count, scales = 0.0, 0, panel.error_scales()
    for windows, batch, output in pipeline.run(network, panel, _origins(pipeline, split), on_progress):
        losses = pipeline.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        scaled = as_floats(output)
        values = windows.unscale(scaled)
        errors.add(windows.y, values[..., 0], values[..., 1 + pipeline.median_index], *scales[windows.series].T)
        coverage.add(windows.scaled_y(), scaled[..., 1:])
    uncalibrated = {f"uncalibrated_{name}": value for name, value in coverage.intervals().items()}
    return {"loss": total / max(count, 1), **errors.metrics(), **uncalibrated}


def calibrate(pipeline: ForecastPipeline, network: nn.Module, split: SplitWindows) -> list[str]:
    """Fit the calibration factors, and write them to the network's buffer `quantile_scale`. Return a message."""
    targets, quantiles = [], []
    for windows, _, output in pipeline.run(network, split.panel, _origins(pipeline, split)):
        targets.append(windows.scaled_y())
        quantiles.append(as_floats(output)[..., 1:])
    factors = calibration_factors(
        np.concatenate(targets), np.concatenate(quantiles), pipeline.levels, pipeline.median_index
    )
    buffer = network.get_buffer("quantile_scale")
    buffer.copy_(torch.from_numpy(factors).to(buffer))
    shown = ", ".join(f"{level:g} by {factor:.3g}" for level, factor in zip(pipeline.levels, factors, strict=True)
                      if level != 0.5)  # fmt: skip
    return [f"calibration: the distance from the median is multiplied, of the quantile {shown}"]


def _origins(pipeline: ForecastPipeline, split: SplitWindows) -> Integers:
    return evenly_spaced_indices(split.valid_origins(pipeline.context_length, pipeline.horizon), MAX_WINDOWS)
