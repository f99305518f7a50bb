"""The training loss: pinball loss of the quantiles and squared error of the mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def step_losses(output: Tensor, y: Tensor, observed: Tensor, levels: Sequence[float], mean_weight: float) -> Tensor:
    """Twice the mean pinball loss of the quantiles plus the weighted squared error of the mean, of each observed step.

    output (B, H, 1 + Q) the mean, then the quantiles; y (B, H); observed (B, H) bool -> (observed steps,)
    """
    at = torch.tensor(levels, dtype=output.dtype, device=output.device)
    y, output = y.to(output.dtype)[observed], output[observed]
    error = y[:, None] - output[:, 1:]
    pinball = torch.maximum(at * error, (at - 1) * error).mean(-1)
    return 2 * pinball + mean_weight * (y - output[:, 0]) ** 2
