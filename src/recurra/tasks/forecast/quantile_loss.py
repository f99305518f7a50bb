"""The mean and the quantiles of a step: what is descended, and what they are stretched by after training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


def step_losses(output: Tensor, y: Tensor, seen: Tensor, levels: Sequence[float], mean_weight: float) -> Tensor:
    """Of each observed step: twice the mean pinball loss of the quantiles, and the mean's squared error, weighted.

    output (B, H, 1 + Q) the mean, then the quantiles; y (B, H); seen (B, H), whether it was observed -> (observed steps,)
    """
    at = torch.tensor(levels, dtype=output.dtype, device=output.device)
    y, output = y.to(output.dtype)[seen], output[seen]
    off = y[:, None] - output[:, 1:]
    pinball = torch.maximum(at * off, (at - 1) * off).mean(-1)
    return 2 * pinball + mean_weight * (y - output[:, 0]) ** 2


def stretched(values: Floats, factors: Floats, middle: int) -> Floats:
    """(B, H, 1 + Q) with the distance of each quantile from the median, which is quantile `middle`, times its factor (Q,)."""
    median = values[..., 1 + middle][..., None]
    return np.concatenate([values[..., :1], median + factors * (values[..., 1:] - median)], -1)


def spread_factors(y: Floats, quantiles: Floats, levels: list[float], middle: int) -> Floats:
    """(Q,) what to multiply the distance of each quantile from the median by, so that on these data the share under it is its
    level: split conformal prediction of quantiles (Romano et al. 2019, arXiv:1905.03222), with the distance for the unit.

    A distance is made smaller only where it is surely too large, by more than the standard error of the share among N
    forecasts: these data have picked window, scaling and weights too, so they flatter the forecasts.

    y (N, H) and quantiles (N, H, Q) in any common scale, NaN in y where nothing was observed.
    """
    there = ~np.isnan(y)
    factors = np.ones(len(levels))
    median = quantiles[..., middle][there]
    off = y[there] - median
    for at, level in enumerate(levels):
        if at == middle or not len(off):
            continue
        distance = np.maximum(np.abs(quantiles[..., at][there] - median), 1e-9)
        ratios = np.sort(off / distance if level > 0.5 else -off / distance)
        outer = max(level, 1 - level)
        error = math.sqrt(level * (1 - level) / len(y))
        wider, narrower = _ratio_of(ratios, outer), _ratio_of(ratios, outer + error)
        factors[at] = max(wider, min(narrower, 1.0), 0.0)
    return factors


def _ratio_of(ratios: Floats, share: float) -> float:
    """The one of sorted ratios that this share of them, and of one more that could come, does not exceed."""
    rank = math.ceil((len(ratios) + 1) * share)
    return float(ratios[min(rank, len(ratios)) - 1])
