"""The training loss: the pinball loss of the quantiles and the squared error of the mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def step_losses(output: Tensor, y: Tensor, observed: Tensor, levels: Sequence[float], mse_weight: float) -> Tensor:
    """Return the loss of each observed time step, (number of observed time steps,).

        loss = 2 / Q * sum_q max(q (y - y_q), (q - 1) (y - y_q)) + mse_weight * (y - mean)^2

    output       (B, H, 1 + Q) the mean, then the quantiles y_q in the order of `levels`
    y            (B, H) targets
    observed     (B, H) bool, whether a target was observed
    levels       the quantile levels q
    mse_weight   weight of the squared error of the mean
    """
    at = torch.tensor(levels, dtype=output.dtype, device=output.device)
    y, output = y.to(output.dtype)[observed], output[observed]
    error = y[:, None] - output[:, 1:]
    pinball = torch.maximum(at * error, (at - 1) * error).mean(-1)
    return 2 * pinball + mse_weight * (y - output[:, 0]) ** 2
