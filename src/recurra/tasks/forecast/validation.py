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

MAX_WINDOWS = 8192  # of the validation part that are evaluated


def validate(
    pipeline: ForecastPipeline, network: nn.Module, split: SplitWindows, on_progress: OnProgress
) -> dict[str, Any]:
    """Return the metrics before calibration, and write the calibration factors to the network's buffer `quantile_scale`."""
    panel, errors, coverage = split.panel, ForecastErrors(), Coverage(pipeline.levels)
    origins = evenly_spaced_indices(split.valid_origins(pipeline.context_length, pipeline.horizon), MAX_WINDOWS)
    targets, quantiles, total, count, scales = [], [], 0.0, 0, panel.error_scales()
    for windows, batch, output in pipeline.run(network, panel, origins, on_progress):
        losses = pipeline.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        scaled = as_floats(output)
        values = windows.unscale(scaled)
        mean, median = values[..., 0], values[..., 1 + pipeline.median_index]
        errors.add(windows.y, mean, median, *scales[windows.series].T)
        targets.append(windows.scaled_y())
        quantiles.append(scaled[..., 1:])
        coverage.add(targets[-1], quantiles[-1])
    all_targets, all_quantiles = np.concatenate(targets), np.concatenate(quantiles)
    factors = calibration_factors(all_targets, all_quantiles, pipeline.levels, pipeline.median_index)
    quantile_scale = network.get_buffer("quantile_scale")
    quantile_scale.copy_(torch.from_numpy(factors).to(quantile_scale))
    uncalibrated = {f"uncalibrated_{name}": value for name, value in coverage.intervals().items()}
    return {"loss": total / max(count, 1), **errors.metrics(), **uncalibrated}
