"""A recurrent network over segments of a series, so that a long window is a short sequence.

    encoder   e_k = relu(W x_k + b)                            each segment_length of the window, all its channels
              h = recurrent(e_1, ..., e_K)                     the final state
    decoder   q_j = position_j + series + static + F f_j       a query for each segment_length of the horizon, f_j what is known of it
              y_j = V dropout(recurrent(q_j, h)) + c           direct: every j from the same h, in parallel

This is SegRNN, Lin et al. 2023, arXiv:2308.11200 (parallel multi-step forecasting). Recursive decoding instead reads its own
output as the next segment_length. A linear map of the window (`shortcut`) is added to the output, as in LSTNet, Lai et al. 2017,
arXiv:1703.07015, and the recurrent layers learn the residual.

T steps of the window, H of the horizon, w of a segment_length; I channels of a step of the window, C of a step of the horizon; Q
quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cells import Cell
from ...nn import Recurrent, State
from ...nn.dropout import between_layers


@final
@dataclass(frozen=True)
class Shape:
    """The sizes of a forecast; `middle` is the index of the median among the quantiles."""

    window: int
    horizon: int
    segment_length: int
    inputs: int  # I: the value first, then whether it was observed (`masked`), then covariates
    masked: bool
    known: int  # future covariates: the last of I, the first of C
    ahead: int  # C
    static: int
    series: int  # series with an embedding; 0 for no embedding
    quantiles: int
    middle: int


@final
class SegmentForecast(nn.Module):
    """(B, T, I) -> (B, H, 1 + Q): the mean, then the quantiles in order, in the scale of the window's values."""

    spread: Tensor

    def __init__(
        self,
        shape: Shape,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        linear_skip: bool,
        recursive: bool,
        backend: str,
    ) -> None:
        super().__init__()
        self.shape, self.recursive = shape, recursive
        w = shape.segment_length
        self.segments = -(-shape.horizon // w)
        self.embed = nn.Linear(w * shape.inputs, hidden_size)
        self.recurrent = Recurrent(
            cell,
            hidden_size,
            hidden_size,
            num_layers=num_layers,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.position = nn.Parameter(torch.randn(1 if recursive else self.segments, hidden_size) * 0.1)
        self.of_series = nn.Embedding(shape.series + 1, hidden_size) if shape.series else None  # 0: any other series
        if self.of_series is not None:
            nn.init.normal_(self.of_series.weight, std=0.1)
        self.of_static = nn.Linear(shape.static, hidden_size) if shape.static else None
        self.of_ahead = nn.Linear(w * shape.ahead, hidden_size) if shape.ahead else None
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(hidden_size, w * (1 + shape.quantiles))
        nn.init.normal_(self.answer.weight, std=0.01)  # at first the linear_skip dominates
        nn.init.zeros_(self.answer.bias)
        self.linear_skip = nn.Linear(shape.window, shape.horizon) if linear_skip else None
        if self.linear_skip is not None:
            nn.init.zeros_(self.linear_skip.weight)
            nn.init.zeros_(self.linear_skip.bias)
        self.register_buffer("spread", torch.ones(shape.quantiles))  # of calibration; forward does not use it

    def forward(self, x: Tensor, series: Tensor, static: Tensor, ahead: Tensor) -> Tensor:
        """x (B, T, I), series (B,) rows of the embedding, static (B, S), ahead (B, H, C) -> (B, H, 1 + Q)."""
        B, w, dtype = x.shape[0], self.shape.segment_length, self.position.dtype
        x, static, ahead = x.to(dtype), static.to(dtype), ahead.to(dtype)
        state = self._read(F.pad(x, (0, 0, -x.shape[1] % w, 0)), None)
        queries = self.position.expand(B, self.segments, -1)
        if self.of_series is not None:
            queries = queries + self.of_series(series)[:, None]
        if self.of_static is not None:
            queries = queries + self.of_static(static)[:, None]
        ahead = F.pad(ahead, (0, 0, 0, self.segments * w - ahead.shape[1]))
        if self.of_ahead is not None:
            queries = queries + self.of_ahead(ahead.reshape(B, self.segments, -1))
        raw = self._recursive(queries, state, ahead) if self.recursive else self._direct(queries, state)
        raw = raw[:, : self.shape.horizon]
        line = raw.new_zeros(()) if self.linear_skip is None else self.linear_skip(x[..., 0])[..., None]
        return self._ordered(raw, line)

    def _read(self, x: Tensor, state: State | None) -> State:
        """The state after the segments of x (B, K*w, I)."""
        B = x.shape[0]
        after: State = self.recurrent(F.relu(self.embed(x.reshape(B, -1, self.embed.in_features))), state)[1]
        return after

    def _answer(self, queries: Tensor, state: State) -> Tensor:
        """(B, E) -> (B, w, 1 + Q)."""
        y = self.recurrent(queries[:, None], state)[0][:, 0]
        answer: Tensor = self.answer(self.dropout(y))
        return answer.reshape(len(queries), self.shape.segment_length, -1)

    def _direct(self, queries: Tensor, state: State) -> Tensor:
        B, K, E = queries.shape
        each = state.map(lambda part: part.repeat_interleave(K, 0))
        return self._answer(queries.reshape(B * K, E), each).reshape(B, K * self.shape.segment_length, -1)

    def _recursive(self, queries: Tensor, state: State, ahead: Tensor) -> Tensor:
        w, parts = self.shape.segment_length, []
        for j in range(self.segments):
            parts.append(self._answer(queries[:, j], state))
            if j + 1 < self.segments:
                segment_length = parts[-1].new_zeros(len(queries), w, self.shape.inputs)
                segment_length[..., 0] = parts[-1][..., 1]
                if self.shape.masked:
                    segment_length[..., 1] = 1.0
                if self.shape.known:
                    segment_length[..., -self.shape.known :] = ahead[:, j * w : (j + 1) * w, : self.shape.known]
                state = self._read(segment_length, state)
        return torch.cat(parts, 1)

    def _ordered(self, raw: Tensor, line: Tensor) -> Tensor:
        """raw: mean, median, then the distances between neighbouring quantiles, so that no two cross; line: the linear_skip."""
        mean, median = raw[..., :1] + line, raw[..., 1:2] + line
        steps, m = F.softplus(raw[..., 2:]), self.shape.middle
        above = median + steps[..., m:].cumsum(-1)
        below = median - steps[..., :m].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([mean, below, median, above], -1)
