"""Metrics on the validation part, and the calibration that is fitted to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ...metrics.forecasts import Coverage, ForecastErrors
from ..base import OnProgress
from .calibration import calibration_factors
from .pipeline import ForecastPipeline, as_floats
from .split_windows import SplitWindows, evenly_spaced

MAX_WINDOWS = 8192  # of the validation part that are evaluated


def validate(
    pipeline: ForecastPipeline, network: nn.Module, split: SplitWindows, on_progress: OnProgress
) -> dict[str, Any]:
    """The metrics before calibration. Writes the factors of the calibration into the network's buffer `spread`."""
    panel, errors, coverage = split.panel, ForecastErrors(), Coverage(pipeline.levels)
    origins = evenly_spaced(split.valid_origins(pipeline.window, pipeline.horizon), MAX_WINDOWS)
    targets, quantiles, total, count, units = [], [], 0.0, 0, panel.error_units()
    for windows, batch, output in pipeline.run(network, panel, origins, on_progress):
        losses = pipeline.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        numbers = as_floats(output)
        values = windows.unscaled(numbers)
        errors.add(windows.y, values[..., 0], values[..., 1 + pipeline.middle], *units[windows.series].T)
        targets.append(windows.scaled_y())
        quantiles.append(numbers[..., 1:])
        coverage.add(targets[-1], quantiles[-1])
    factors = calibration_factors(np.concatenate(targets), np.concatenate(quantiles), pipeline.levels, pipeline.middle)
    spread = network.get_buffer("spread")
    spread.copy_(torch.from_numpy(factors).to(spread))
    uncalibrated = {f"uncalibrated_{name}": value for name, value in coverage.intervals().items()}
    return {"loss": total / max(count, 1), **errors.metrics(), **uncalibrated}
