"""Pooling: one vector from the outputs of all time steps, in pieces or at once.

Every rule is a fold, so that a stream gives what the whole gives: `push(y, lengths, state)` takes the next piece
`y (B, T, D*H)` with `lengths (B,)` live steps in it (None: all of them) and returns the state, a tuple of tensors;
`result(state)` is the pooled vector. `forward` is one push. A row without any live step gives zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

PoolState = tuple[Tensor, ...]


class Pooling(nn.Module, ABC):
    """The fold; `size` is D*H, `hidden_size` H, for one or two directions."""

    def __init__(self, hidden_size: int, directions: int = 1) -> None:
        super().__init__()
        self.hidden_size, self.directions, self.size = hidden_size, directions, hidden_size * directions
        self.output_size = self.size

    @abstractmethod
    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState: ...

    def result(self, state: PoolState) -> Tensor:
        return state[0]

    def forward(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, T, D*H), (B,) -> (B, output_size)."""
        return self.result(self.push(y, lengths, None))


def live_steps(y: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, T, 1), true on live steps."""
    steps = torch.arange(y.shape[1], device=y.device)
    if lengths is None:
        return (steps >= 0)[None, :, None].expand(y.shape[0], -1, 1)
    return (steps < lengths.to(y.device)[:, None]).unsqueeze(-1)


class Last(Pooling):
    """The last output of each direction: at the row's end forwards, at its start backwards."""

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


class Mean(Pooling):
    """The mean over live steps; the state is the sum and the count."""

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        live = live_steps(y, lengths)
        total, count = torch.where(live, y, 0.0).sum(1), live.sum(1).to(y.dtype)
        return (total, count) if state is None else (state[0] + total, state[1] + count)

    def result(self, state: PoolState) -> Tensor:
        return state[0] / state[1].clamp(min=1)


class Max(Pooling):
    """The largest value of each feature over live steps."""

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        nothing = torch.full((y.shape[0], self.size), -torch.inf, dtype=y.dtype, device=y.device)
        best = torch.where(live_steps(y, lengths), y, -torch.inf).amax(1) if y.shape[1] else nothing
        return (best if state is None else torch.maximum(state[0], best),)

    def result(self, state: PoolState) -> Tensor:
        return torch.where(state[0].isneginf(), 0.0, state[0])


class Attention(Pooling):
    """A weighted mean, weights = softmax over time of v . tanh(W y + b): additive attention with one learned query.

    The fold keeps the running maximum m of the scores, the sum of exp(score - m) and the weighted sum, rescaled when
    m grows (the online softmax of Milakov and Gimelshein 2018, arXiv:1805.02867).
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
        safe = torch.where(top.isneginf(), 0.0, top)  # rows without a live step so far: exp(-inf - 0) is 0, not NaN
        scale, weight = torch.exp(m - safe), torch.exp(score - safe[:, None])
        return top, total * scale + weight.sum(1), weighted * scale + (weight * y).sum(1)

    def _scores(self, y: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, 1), minus infinity on padding."""
        return torch.where(live_steps(y, lengths), self.query(torch.tanh(self.key(y))), -torch.inf)

    def weights(self, y: Tensor, lengths: Tensor | None = None) -> Tensor:
        """How much each step counts in the pooled vector of a whole row, (B, T); they add up to 1, or are all zero."""
        return self._scores(y, lengths).squeeze(-1).softmax(-1).nan_to_num(0.0)

    def result(self, state: PoolState) -> Tensor:
        _, total, weighted = state
        return weighted / torch.where(total > 0, total, 1.0)


class MeanMax(Pooling):
    """Mean and max, joined: (B, 2*D*H)."""

    def __init__(self, hidden_size: int, directions: int = 1) -> None:
        super().__init__(hidden_size, directions)
        self.mean, self.max = Mean(hidden_size, directions), Max(hidden_size, directions)
        self.output_size = 2 * self.size

    def push(self, y: Tensor, lengths: Tensor | None, state: PoolState | None) -> PoolState:
        mean = self.mean.push(y, lengths, None if state is None else state[:2])
        return (*mean, *self.max.push(y, lengths, None if state is None else state[2:]))

    def result(self, state: PoolState) -> Tensor:
        return torch.cat([self.mean.result(state[:2]), self.max.result(state[2:])], dim=-1)


POOLINGS: dict[str, type[Pooling]] = {
    "last": Last,
    "mean": Mean,
    "max": Max,
    "attention": Attention,
    "mean_max": MeanMax,
}
