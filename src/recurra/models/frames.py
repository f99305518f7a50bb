"""Modules that operate on frames of features: stacking of several frames into one time step, and augmentation.

Padding is zero, and the features are standardized, so zero is also their mean. Masked frames, frames past the end of a
sequence, and the frames that fill the last step therefore have the same value.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrameStacking(nn.Module):
    """Concatenates `count` consecutive frames into one time step.

    The input has the shape (B, T, I), the output (B, ceil(T / count), count * I). The last step is filled with zeros. Fewer
    time steps are faster, and the network has to carry information across fewer of them (Sak et al. 2015, arXiv:1507.06947).

    Args:
        count: number of frames per step.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the stacked frames, and the numbers of steps (B,) where the numbers of frames `lengths` are given."""
        B, T, I = x.shape
        x = F.pad(x, (0, 0, 0, -T % self.count))
        return x.reshape(B, -1, self.count * I), None if lengths is None else self.num_steps(lengths)

    def num_steps(self, lengths: Tensor) -> Tensor:
        """Return the numbers of steps (B,) that sequences of `lengths (B,)` frames have."""
        return -(-lengths // self.count)

    def split_pending(self, x: Tensor, pending: Tensor | None) -> tuple[Tensor, Tensor]:
        """Split a chunk of a stream into frames that fill steps and frames that do not fill a step yet.

        Args:
            x: the next frames of the stream, (B, t, I).
            pending: the frames (B, p, I) that earlier chunks left over, or None at the start.

        Returns:
            The frames of complete steps, whose number is a multiple of `count`, and the pending frames.
        """
        x = x if pending is None else torch.cat([pending, x], 1)
        num_complete = x.shape[1] - x.shape[1] % self.count
        return x[:, :num_complete], x[:, num_complete:]


class SpectrogramAugmentation(nn.Module):
    """Random changes of speed and pitch, and random masks, in training mode. Evaluation mode returns the input unchanged.

    Args:
        speed_perturbation: largest relative change of the speed (Ko et al. 2015). The frequency axis is stretched by up to
            half as much, which simulates vocal tracts of different lengths (Jaitly and Hinton 2013).
        specaugment_masks: number of masks over time and of masks over mel bands per sequence (SpecAugment, Park et al. 2019,
            arXiv:1904.08779). A mask covers up to a tenth of the sequence, or up to a fifth of the bands.
    """

    def __init__(self, speed_perturbation: float, specaugment_masks: int) -> None:
        super().__init__()
        self.speed_perturbation, self.specaugment_masks = speed_perturbation, specaugment_masks

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, I) and lengths (B,) to frames (B, T', I) and their lengths (B,)."""
        if not self.training:
            return x, lengths
        if self.speed_perturbation:
            x, lengths = perturb_speed(x, lengths, self.speed_perturbation)
        if self.specaugment_masks:
            x = mask_spans(x, lengths, self.specaugment_masks)
        return x, lengths


def _uniform(like: Tensor, size: int, low: float, high: float) -> Tensor:
    """Return `size` uniform random numbers with the device and the dtype of `like`."""
    return torch.empty(size, device=like.device, dtype=like.dtype).uniform_(low, high)


def perturb_speed(x: Tensor, lengths: Tensor, speed_perturbation: float) -> tuple[Tensor, Tensor]:
    """Stretch time and frequency of each sequence by random factors, with linear interpolation.

    Returns:
        The frames (B, T', I), with zeros past the end of each sequence, and the new lengths (B,).
    """
    B, _, I = x.shape
    pace = _uniform(x, B, 1 - speed_perturbation, 1 + speed_perturbation)
    pitch = _uniform(x, B, 1 - speed_perturbation / 2, 1 + speed_perturbation / 2)
    new_lengths = (lengths / pace).round().long().clamp(min=1)
    max_length = int(new_lengths.max())
    times = torch.arange(max_length, device=x.device, dtype=x.dtype)[None] * pace[:, None]
    times = torch.minimum(times, (lengths[:, None] - 1).clamp(min=0).to(x.dtype))
    bands = (torch.arange(I, device=x.device, dtype=x.dtype)[None] * pitch[:, None]).clamp(max=I - 1)
    x = interpolate(x, times)
    x = interpolate(x.transpose(1, 2), bands).transpose(1, 2)
    valid = torch.arange(max_length, device=x.device)[None] < new_lengths[:, None]
    return x * valid[..., None], new_lengths


def interpolate(x: Tensor, positions: Tensor) -> Tensor:
    """Interpolate x (B, T, I) linearly at fractional `positions` (B, N) of its second axis. Returns (B, N, I)."""
    below = positions.floor()
    fraction = (positions - below)[..., None]
    first = below.long()
    second = (first + 1).clamp(max=x.shape[1] - 1)

    def gather(index: Tensor) -> Tensor:
        return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))

    return torch.lerp(gather(first), gather(second), fraction)


def mask_spans(x: Tensor, lengths: Tensor, specaugment_masks: int) -> Tensor:
    """Set random spans of time and of frequency bands of x (B, T, I) to zero."""
    B, T, I = x.shape
    keep = torch.ones(B, T, I, device=x.device, dtype=torch.bool)
    for _ in range(specaugment_masks):
        for axis, max_width, size in ((1, lengths.to(x.dtype) / 10, lengths.to(x.dtype)), (2, I / 5, I)):
            width = _uniform(x, B, 0, 1) * max_width
            begin = _uniform(x, B, 0, 1) * (size - width)
            index = torch.arange(x.shape[axis], device=x.device)[None]
            hidden = (index >= begin[:, None]) & (index < (begin + width)[:, None])
            keep &= ~(hidden[:, :, None] if axis == 1 else hidden[:, None, :])
    return x * keep
