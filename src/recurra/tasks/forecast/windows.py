"""Windows of time series: T scaled time steps of context and H time steps of target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@final
@dataclass
class WindowBatch:
    """B windows with T = context length and H = horizon.

    `x` is scaled and `y` is not: the target of the network is (y - loc) / scale.
    """

    origins: Integers  # (B,) flat positions in the panel
    series: Integers  # (B,) indices of the series in the panel
    x: Floats  # (B, T) scaled values, missing ones filled forward
    observed: NDArray[np.bool_]  # (B, T)
    loc: Floats  # (B,)
    scale: Floats  # (B,)
    y: Floats  # (B, H), NaN where missing
    context_positions: Integers  # (B, T) flat positions of x
    target_positions: Integers  # (B, H) flat positions of y

    def scaled_y(self) -> Floats:
        """Return the targets (B, H) in the scale of x."""
        return (self.y - self.loc[:, None]) / self.scale[:, None]

    def unscale(self, values: Floats) -> Floats:
        """Convert values (B, H, ...) from the scale of x to the unit of the data."""
        return values * self.scale[:, None, None] + self.loc[:, None, None]
