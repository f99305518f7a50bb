"""Frames of features: several stacked into one step, and in training warped and masked.

Padding is zero, which is also the mean of a feature; so frames that are masked, frames past the end of a row, and those
that fill its last step are one thing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Stacking(nn.Module):
    """`count` frames after each other become one step: (B, T, I) -> (B, ceil(T / count), count * I), lengths likewise.

    Fewer steps are quicker, and easier to remember across (Sak et al. 2015, arXiv:1507.06947).
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        B, T, I = x.shape
        x = F.pad(x, (0, 0, 0, -T % self.count))
        return x.reshape(B, -1, self.count * I), None if lengths is None else self.steps(lengths)

    def steps(self, lengths: Tensor) -> Tensor:
        """How many steps so many frames become."""
        return -(-lengths // self.count)

    def whole(self, x: Tensor, waiting: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next frames of a stream (B, t, I), after those that wait: what fills steps, and what waits now."""
        x = x if waiting is None else torch.cat([waiting, x], 1)
        ready = x.shape[1] - x.shape[1] % self.count
        return x[:, :ready], x[:, ready:]


class Augment(nn.Module):
    """In training each row is heard otherwise: quicker or slower, higher or lower, and with parts missing.

    speed_perturbation   up to this share quicker or slower (Ko et al. 2015), and half of it higher or lower, as throats of other lengths
           speak (Jaitly and Hinton 2013)
    specaugment_masks  of each kind, over time and over bands, at most `masks` (SpecAugment: Park et al. 2019, arXiv:1904.08779); one
           hides up to a tenth of the row's time, or a fifth of the bands

    (B, T, I) and lengths (B,) -> the same, of another T. In evaluation mode nothing is changed.
    """

    def __init__(self, speed_perturbation: float, specaugment_masks: int) -> None:
        super().__init__()
        self.speed_perturbation, self.specaugment_masks = speed_perturbation, specaugment_masks

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training:
            return x, lengths
        if self.speed_perturbation:
            x, lengths = warped(x, lengths, self.speed_perturbation)
        if self.specaugment_masks:
            x = masked(x, lengths, self.specaugment_masks)
        return x, lengths


def _uniform(like: Tensor, size: int, low: float, high: float) -> Tensor:
    return torch.empty(size, device=like.device, dtype=like.dtype).uniform_(low, high)


def warped(x: Tensor, lengths: Tensor, speed_perturbation: float) -> tuple[Tensor, Tensor]:
    """Each row's time and bands stretched by factors of its own, between the frames and bands there are: linearly."""
    B, _, I = x.shape
    pace = _uniform(x, B, 1 - speed_perturbation, 1 + speed_perturbation)
    pitch = _uniform(x, B, 1 - speed_perturbation / 2, 1 + speed_perturbation / 2)
    after = (lengths / pace).round().long().clamp(min=1)
    longest = int(after.max())
    times = torch.arange(longest, device=x.device, dtype=x.dtype)[None] * pace[:, None]
    times = torch.minimum(times, (lengths[:, None] - 1).clamp(min=0).to(x.dtype))
    bands = (torch.arange(I, device=x.device, dtype=x.dtype)[None] * pitch[:, None]).clamp(max=I - 1)
    x = interpolated(x, times)
    x = interpolated(x.transpose(1, 2), bands).transpose(1, 2)
    live = torch.arange(longest, device=x.device)[None] < after[:, None]
    return x * live[..., None], after


def interpolated(x: Tensor, places: Tensor) -> Tensor:
    """x (B, T, I) read at fractional `places` (B, N) of its second axis: (B, N, I)."""
    below = places.floor()
    share = (places - below)[..., None]
    first = below.long()
    second = (first + 1).clamp(max=x.shape[1] - 1)

    def read(at: Tensor) -> Tensor:
        return x.gather(1, at[..., None].expand(-1, -1, x.shape[2]))

    return torch.lerp(read(first), read(second), share)


def masked(x: Tensor, lengths: Tensor, specaugment_masks: int) -> Tensor:
    B, T, I = x.shape
    kept = torch.ones(B, T, I, device=x.device, dtype=torch.bool)
    for _ in range(specaugment_masks):
        for axis, most, size in ((1, lengths.to(x.dtype) / 10, lengths.to(x.dtype)), (2, I / 5, I)):
            width = _uniform(x, B, 0, 1) * most
            begin = _uniform(x, B, 0, 1) * (size - width)
            place = torch.arange(x.shape[axis], device=x.device)[None]
            hidden = (place >= begin[:, None]) & (place < (begin + width)[:, None])
            kept &= ~(hidden[:, :, None] if axis == 1 else hidden[:, None, :])
    return x * kept
