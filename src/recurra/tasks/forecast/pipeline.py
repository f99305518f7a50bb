"""Conversion of the windows of a panel to tensors, and of the network's output to forecasts in the unit of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..base import Batch, OnProgress, device_of, ignore_progress
from .calibration import apply_calibration
from .panel import Panel
from .quantile_loss import step_losses
from .settings import ForecastSettings
from .windows import Floats, Integers, WindowBatch

EVALUATION_BATCH_SIZE = 1024  # windows per batch without a backward pass


@final
@dataclass(frozen=True)
class ForecastPipeline:
    """The settings of windows: T = `context_length`, H = `horizon`, Q = `len(levels)`.

    context_length   number of past time steps
    horizon          number of time steps to forecast
    scaling          one of `scaling.SCALINGS`
    levels           quantile levels in ascending order, 0.5 among them
    has_missing      whether the network reads an indicator of observed values
    mse_weight       weight of the squared error of the mean in the loss
    """

    context_length: int
    horizon: int
    scaling: str
    levels: list[float]
    has_missing: bool
    mse_weight: float

    @classmethod
    def from_settings(cls, settings: ForecastSettings, *, has_missing: bool) -> ForecastPipeline:
        """Return the pipeline of resolved settings."""
        data, mse_weight = settings.data, settings.training.mse_weight
        return cls(data.context_length, data.horizon, data.scaling, data.quantiles, has_missing, mse_weight)

    @property
    def median_index(self) -> int:
        """The index of the median among the levels."""
        return self.levels.index(0.5)

    @property
    def steps_per_window(self) -> int:
        """The number of time steps of a context and its horizon."""
        return self.context_length + self.horizon

    def windows(self, panel: Panel, origins: Integers) -> WindowBatch:
        """Return the windows at the given origins (B,)."""
        return panel.windows(origins, self.context_length, self.horizon, self.scaling)

    def batch(self, panel: Panel, windows: WindowBatch) -> Batch:
        """Return the inputs of `SegmentForecaster`, and the targets y (B, H), scaled, and observed (B, H)."""
        channels = [windows.x[..., None].astype(np.float32)]
        if self.has_missing:
            channels.append(windows.observed[..., None].astype(np.float32))
        context, target = windows.context_positions, windows.target_positions
        channels += [panel.past_covariates[context], panel.future_covariates[context]]
        inputs: dict[str, NDArray[Any]] = {
            "x": np.concatenate(channels, -1),
            "series": panel.embedding_indices[windows.series],
            "static": panel.static_covariates[windows.series],
            "future": np.concatenate([panel.future_covariates[target], panel.calendar[target]], -1),
        }
        y = windows.scaled_y()
        observed = ~np.isnan(y)
        targets: dict[str, NDArray[Any]] = {"y": np.where(observed, y, 0).astype(np.float32), "observed": observed}
        steps = len(y) * self.steps_per_window
        return Batch(_tensors(inputs), _tensors(targets), steps, steps)

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each observed time step, (number of observed time steps,)."""
        return step_losses(output, batch.targets["y"], batch.targets["observed"], self.levels, self.mse_weight)

    def run(
        self, network: nn.Module, panel: Panel, origins: Integers, on_progress: OnProgress = ignore_progress
    ) -> Iterator[tuple[WindowBatch, Batch, Tensor]]:
        """Run the network on the windows at the given origins. Yields windows, batch and output (B, H, 1 + Q) of each batch."""
        device = device_of(network)
        for part in np.array_split(origins, max(math.ceil(len(origins) / EVALUATION_BATCH_SIZE), 1)):
            windows = self.windows(panel, part)
            batch = self.batch(panel, windows).to(device)
            yield windows, batch, network(**batch.inputs)
            on_progress(len(part))

    def forecasts(self, network: nn.Module, windows: WindowBatch, output: Tensor) -> Floats:
        """Return calibrated forecasts (B, H, 1 + Q) in the unit of the data: the mean, then the quantiles."""
        factors = as_floats(network.get_buffer("quantile_scale"))
        return apply_calibration(windows.unscale(as_floats(output)), factors, self.median_index)


def as_floats(tensor: Tensor) -> Floats:
    """Return a tensor as a NumPy array in double precision."""
    values: Floats = tensor.double().cpu().numpy()
    return values


def _tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
