"""Pooling over time: one vector per sequence from the outputs of all time steps, at once or chunk by chunk.

Each rule accumulates a state, so that a stream gives the same result as the whole sequence: `push(y, lengths, state)` adds
a chunk `y (B, T, D*H)` with `lengths (B,)` valid time steps (None: all of them) and returns the state, a tuple of tensors;
`result(state)` returns the pooled vectors. `forward` is a single push. A sequence without valid time steps gives zeros.

    >>> import torch
    >>> from recurra.nn.pooling import POOLINGS
    >>> pool, y = POOLINGS["mean"](hidden_size=8), torch.randn(3, 9, 8)
    >>> state = pool.push(y[:, :4], None, None)  # a chunk of each sequence
    >>> state = pool.push(y[:, 4:], None, state)
    >>> torch.allclose(pool.result(state), pool(y), atol=1e-6)
    True
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

PoolState = tuple[Tensor, ...]


class Pooling(nn.Module, ABC):
    """Abstract base class of all pooling rules.

    Args:
        hidden_size: number of features of each direction, H.
        directions: number of directions, D: 1 or 2. Default: 1. Features 0 to H-1 of y are those of the forward direction.

    Attributes:
        size: number of features of y, D*H.
        output_size: number of features of the pooled vector.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> from recurra.nn.pooling import MaxPooling
        >>> layer, pool = nn.Recurrent("gru", 5, 8, bidirectional=True), MaxPooling(hidden_size=8, directions=2)
        >>> lengths = torch.tensor([9, 2, 4])
        >>> y, _ = layer(torch.randn(3, 9, 5), lengths=lengths)
        >>> pool(y, lengths).shape
        torch.Size([3, 16])
    """

    def __init__(self, hidden_size: int, directions: int = 1) -> None:
        super().__init__()
        self.hidden_size, self.directions, self.size = hidden_size, directions, hidden_size * directions
        self.output_size = self.size

    @abstractmethod
    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        """Add a chunk of each sequence.

        Args:
            y: (B, T, D*H), the outputs of the next T time steps.
            lengths: (B,), the number of valid time steps of each sequence in this chunk, or None if all are valid.
            state: what the previous push returned, or None before the first chunk.

        Returns:
            The new state, a tuple of tensors of batch size B.
        """

    def result(self, state: PoolState) -> Tensor:
        """Return the pooled vectors (B, output_size) of everything that was pushed."""
        return state[0]

    def forward(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the pooled vectors (B, output_size) of y (B, T, D*H) with `lengths` (B,); None: all time steps are valid."""
        return self.result(self.push(y, lengths, None))


def valid_mask(y: Tensor, lengths: Tensor | None) -> Tensor:
    """Return booleans (B, T, 1) that are True at valid time steps."""
    steps = torch.arange(y.shape[1], device=y.device)
    if lengths is None:
        return (steps >= 0)[None, :, None].expand(y.shape[0], -1, 1)
    return (steps < lengths.to(y.device)[:, None]).unsqueeze(-1)


class LastPooling(Pooling):
    """The final output of each direction: at the last valid time step forward, at the first one in reverse."""

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        H = self.hidden_size
        before = y.new_zeros(y.shape[0], self.size) if state is None else state[0]
        if y.shape[1] == 0:
            return (before,)
        ends = torch.full((y.shape[0],), y.shape[1], device=y.device) if lengths is None else lengths.to(y.device)
        index = (ends - 1).clamp(min=0)[:, None, None].expand(-1, 1, H)
        last = y[..., :H].gather(1, index).squeeze(1)
        if self.directions == 2:
            last = torch.cat([last, y[:, 0, H:]], dim=-1)
        return (torch.where((ends > 0)[:, None], last, before),)


class MeanPooling(Pooling):
    """The mean over the valid time steps. The state is the sum and the count."""

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        valid = valid_mask(y, lengths)
        total, count = torch.where(valid, y, 0.0).sum(1), valid.sum(1).to(y.dtype)
        return (total, count) if state is None else (state[0] + total, state[1] + count)

    def result(self, state: PoolState) -> Tensor:
        return state[0] / state[1].clamp(min=1)


class MaxPooling(Pooling):
    """The maximum of each feature over the valid time steps."""

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        empty = torch.full((y.shape[0], self.size), -torch.inf, dtype=y.dtype, device=y.device)
        best = torch.where(valid_mask(y, lengths), y, -torch.inf).amax(1) if y.shape[1] else empty
        return (best if state is None else torch.maximum(state[0], best),)

    def result(self, state: PoolState) -> Tensor:
        return torch.where(state[0].isneginf(), 0.0, state[0])


class AttentionPooling(Pooling):
    """The weighted mean over the valid time steps, with weights softmax_t(v . tanh(W y_t + b)).

    This is additive attention with one learned query. The state contains the running maximum m of the scores, the sum of
    exp(score - m) and the weighted sum, which are rescaled when m grows: the online softmax of Milakov and Gimelshein
    2018, arXiv:1805.02867.

    Parameters: key.weight W (D*H, D*H), key.bias b (D*H,), query.weight v (1, D*H), initialized as in `torch.nn.Linear`.
    """

    def __init__(self, hidden_size: int, directions: int = 1) -> None:
        super().__init__(hidden_size, directions)
        self.key = nn.Linear(self.size, self.size)
        self.query = nn.Linear(self.size, 1, bias=False)

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        if state is None:
            m = torch.full((y.shape[0], 1), -torch.inf, dtype=y.dtype, device=y.device)
            state = (m, y.new_zeros(y.shape[0], 1), y.new_zeros(y.shape[0], self.size))
        if y.shape[1] == 0:
            return state
        score = self._scores(y, lengths)
        m, total, weighted = state
        top = torch.maximum(m, score.detach().amax(1))
        safe = torch.where(top.isneginf(), 0.0, top)  # without a valid time step so far, exp(-inf - 0) is 0, not NaN
        scale, weight = torch.exp(m - safe), torch.exp(score - safe[:, None])
        return top, total * scale + weight.sum(1), weighted * scale + (weight * y).sum(1)

    def _scores(self, y: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the scores (B, T, 1), minus infinity in the padding."""
        return torch.where(valid_mask(y, lengths), self.query(torch.tanh(self.key(y))), -torch.inf)

    def weights(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the weights (B, T) of the time steps of whole sequences. They sum to 1; all are 0 if no step is valid."""
        return self._scores(y, lengths).squeeze(-1).softmax(-1).nan_to_num(0.0)

    def result(self, state: PoolState) -> Tensor:
        _, total, weighted = state
        return weighted / torch.where(total > 0, total, 1.0)


class MeanMaxPooling(Pooling):
    """Mean and maximum over the valid time steps, concatenated: (B, 2*D*H)."""

    def __init__(self, hidden_size: int, directions: int = 1) -> None:
        super().__init__(hidden_size, directions)
        self.mean, self.max = MeanPooling(hidden_size, directions), MaxPooling(hidden_size, directions)
        self.output_size = 2 * self.size

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        mean = self.mean.push(y, lengths, None if state is None else state[:2])
        return (*mean, *self.max.push(y, lengths, None if state is None else state[2:]))

    def result(self, state: PoolState) -> Tensor:
        return torch.cat([self.mean.result(state[:2]), self.max.result(state[2:])], dim=-1)


POOLINGS: dict[str, type[Pooling]] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
    "mean_max": MeanMaxPooling,
}
