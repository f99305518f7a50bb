"""Windows of series: T steps of input, scaled, and H steps of target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@final
@dataclass
class Windows:
    """B windows. x is scaled, y is not: (y - place) / scale is the target of the network."""

    origins: Integers  # (B,) flat positions in the panel
    series: Integers  # (B,) numbers of the series
    x: Floats  # (B, T) scaled, missing values filled forward
    observed: NDArray[np.bool_]  # (B, T)
    place: Floats  # (B,)
    scale: Floats  # (B,)
    y: Floats  # (B, H), NaN where missing
    at_x: Integers  # (B, T) flat positions
    at_y: Integers  # (B, H)

    def scaled_y(self) -> Floats:
        """(B, H) targets in the scale of x."""
        return (self.y - self.place[:, None]) / self.scale[:, None]

    def unscaled(self, numbers: Floats) -> Floats:
        """(B, H, ...) numbers in the scale of x -> in the unit of the data."""
        return numbers * self.scale[:, None, None] + self.place[:, None, None]
