"""How the caller of a layer arranges time steps, and the dropout between layers, which torch.nn draws in that arrangement."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import dropout


class SequenceLayout(NamedTuple):
    """The layout of the input and output of a call.

    time_first  whether the output is (T, B, D*H) instead of (B, T, D*H)
    packed      the index (N,) of the time steps of a PackedSequence in flat (T, B); None if the input is a padded batch
    """

    time_first: bool = False
    packed: Tensor | None = None

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """Return x (B, T, F) with dropout. On the CPU the random numbers are those of torch.nn for the same seed.

        torch.nn draws one number for each value of the tensor (T, B, F), or (N, F) of a PackedSequence.
        """
        if self.packed is None:
            return dropout(x.transpose(0, 1), p).transpose(0, 1)
        (B, T, F), N = x.shape, len(self.packed)
        mask = dropout(x.new_ones(N, F), p)
        return x * x.new_zeros(T * B, F).index_copy_(0, self.packed, mask).view(T, B, F).transpose(0, 1)
