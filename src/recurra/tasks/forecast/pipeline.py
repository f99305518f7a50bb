"""From windows of a panel to the tensors of a network, and from its output to forecasts in the data's unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..base import Batch, device_of
from .quantile_loss import step_losses, stretched
from .windows import Integers, Panel, Windows

AT_ONCE = 1024  # windows of a batch when nothing is kept for the backward pass
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forecaster:
    """T = window, H = horizon, Q = len(levels). `masked`: the network is told which values are missing."""

    window: int
    horizon: int
    scaling: str
    levels: list[float]
    masked: bool
    mean_weight: float

    @property
    def middle(self) -> int:
        """The place of the median among the levels."""
        return self.levels.index(0.5)

    def windows(self, panel: Panel, origins: Integers) -> Windows:
        return panel.windows(origins, self.window, self.horizon, self.scaling)

    def batch(self, panel: Panel, windows: Windows) -> Batch:
        """The inputs of `SegmentForecast`; targets y (B, H), scaled, and seen (B, H), whether it was observed."""
        channels = [windows.x[..., None].astype(np.float32)]
        if self.masked:
            channels.append(windows.there[..., None].astype(np.float32))
        channels += [panel.past[windows.at_x], panel.known[windows.at_x]]
        inputs: dict[str, NDArray[Any]] = {
            "x": np.concatenate(channels, -1),
            "series": panel.vectors[windows.owners],
            "static": panel.static[windows.owners],
            "ahead": np.concatenate([panel.known[windows.at_y], panel.calendar[windows.at_y]], -1),
        }
        y = windows.scaled_y()
        seen = ~np.isnan(y)
        targets: dict[str, NDArray[Any]] = {"y": np.where(seen, y, 0).astype(np.float32), "seen": seen}
        steps = len(y) * (self.window + self.horizon)
        return Batch(_tensors(inputs), _tensors(targets), steps, steps)

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """Of each observed step, (N,)."""
        return step_losses(output, batch.targets["y"], batch.targets["seen"], self.levels, self.mean_weight)

    def run(
        self, network: nn.Module, panel: Panel, origins: Integers, tick: Callable[[int], None] = lambda _: None
    ) -> Iterator[tuple[Windows, Batch, Tensor]]:
        """(windows, batch, output (B, H, 1 + Q)) a batch at a time."""
        device = device_of(network)
        for part in np.array_split(origins, max(math.ceil(len(origins) / AT_ONCE), 1)):
            windows = self.windows(panel, part)
            batch = self.batch(panel, windows).to(device)
            yield windows, batch, network(**batch.inputs)
            tick(len(part))

    def forecasts(self, network: nn.Module, windows: Windows, output: Tensor) -> Floats:
        """(B, H, 1 + Q) in the data's unit, the quantiles as far from the median as the part held back asked for."""
        factors = numbers_of(network.get_buffer("spread"))
        return stretched(windows.unscaled(numbers_of(output)), factors, self.middle)


def numbers_of(tensor: Tensor) -> Floats:
    numbers: Floats = tensor.double().cpu().numpy()
    return numbers


def _tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
