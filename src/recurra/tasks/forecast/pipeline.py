"""From windows of a panel to the tensors of a network, and from its output to forecasts in the unit of the data."""

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
from .calibration import calibrated
from .panel import Panel
from .quantile_loss import step_losses
from .settings import ForecastSettings
from .windows import Floats, Integers, Windows

EVALUATION_WINDOWS = 1024  # of a batch when nothing is kept for the backward pass


@final
@dataclass(frozen=True)
class ForecastPipeline:
    """T = window, H = horizon, Q = len(levels). `masked`: the network reads which values are missing."""

    window: int
    horizon: int
    scaling: str
    levels: list[float]
    masked: bool
    mean_weight: float

    @classmethod
    def of(cls, settings: ForecastSettings, *, masked: bool) -> ForecastPipeline:
        """The pipeline of resolved settings."""
        data = settings.data
        return cls(data.context_length, data.horizon, data.scaling, data.quantiles, masked, settings.training.mse_weight)

    @property
    def middle(self) -> int:
        """The index of the median among the levels."""
        return self.levels.index(0.5)

    @property
    def steps_per_window(self) -> int:
        """Time steps of a window and its horizon."""
        return self.window + self.horizon

    def windows(self, panel: Panel, origins: Integers) -> Windows:
        """The windows of some origins."""
        return panel.windows(origins, self.window, self.horizon, self.scaling)

    def batch(self, panel: Panel, windows: Windows) -> Batch:
        """The inputs of `SegmentForecast`; targets y (B, H), scaled, and observed (B, H)."""
        channels = [windows.x[..., None].astype(np.float32)]
        if self.masked:
            channels.append(windows.observed[..., None].astype(np.float32))
        channels += [panel.past[windows.at_x], panel.known[windows.at_x]]
        inputs: dict[str, NDArray[Any]] = {
            "x": np.concatenate(channels, -1),
            "series": panel.vectors[windows.series],
            "static": panel.static[windows.series],
            "ahead": np.concatenate([panel.known[windows.at_y], panel.calendar[windows.at_y]], -1),
        }
        y = windows.scaled_y()
        observed = ~np.isnan(y)
        targets: dict[str, NDArray[Any]] = {"y": np.where(observed, y, 0).astype(np.float32), "observed": observed}
        steps = len(y) * self.steps_per_window
        return Batch(_tensors(inputs), _tensors(targets), steps, steps)

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of each observed step, (N,)."""
        return step_losses(output, batch.targets["y"], batch.targets["observed"], self.levels, self.mean_weight)

    def run(
        self, network: nn.Module, panel: Panel, origins: Integers, on_progress: OnProgress = ignore_progress
    ) -> Iterator[tuple[Windows, Batch, Tensor]]:
        """Windows, batch and output (B, H, 1 + Q), a batch at a time."""
        device = device_of(network)
        for part in np.array_split(origins, max(math.ceil(len(origins) / EVALUATION_WINDOWS), 1)):
            windows = self.windows(panel, part)
            batch = self.batch(panel, windows).to(device)
            yield windows, batch, network(**batch.inputs)
            on_progress(len(part))

    def forecasts(self, network: nn.Module, windows: Windows, output: Tensor) -> Floats:
        """(B, H, 1 + Q) in the unit of the data, the quantiles calibrated as on the validation part."""
        factors = as_floats(network.get_buffer("spread"))
        return calibrated(windows.unscaled(as_floats(output)), factors, self.middle)


def as_floats(tensor: Tensor) -> Floats:
    """The numbers of a tensor in double precision."""
    numbers: Floats = tensor.double().cpu().numpy()
    return numbers


def _tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
