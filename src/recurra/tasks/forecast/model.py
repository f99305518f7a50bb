"""A recurrent network over segments of a time series. Segments shorten the sequence that the recurrent layers process.

    encoder   e_k = relu(W x_k + b)                                 for each segment of the context, with all its channels
              h = recurrent(e_1, ..., e_K)                          final state
    decoder   q_j = position_j + series + static + F f_j            query for each segment of the horizon with covariates f_j
              y_j = V dropout(recurrent(q_j, h)) + c                direct decoding: all j in parallel, from the same h

This is SegRNN with parallel multi-step forecasting (Lin et al. 2023, arXiv:2308.11200). Recursive decoding reads the median of
its own output as the next segment instead. A linear map of the context (`linear_skip`) is added to the output, as in LSTNet
(Lai et al. 2017, arXiv:1703.07015), and the recurrent layers learn the residual.

T: context length, H: horizon, w: segment length, I: channels of the context, C: channels of the horizon, Q: quantiles.
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
class ForecastShape:
    """The sizes of a forecasting network.

    context_length     T
    horizon            H
    segment_length     w
    context_channels   I: the value, the indicator of observed values (if `has_missing`), past covariates, future covariates
    has_missing        whether there is an indicator of observed values
    num_future         number of future covariates, the last channels of the context and the first channels of the horizon
    horizon_channels   C: future covariates and calendar features
    num_static         number of features of the static covariates
    num_series         number of series that have an embedding; 0 for no embedding
    num_quantiles      Q
    median_index       index of the median among the quantiles
    """

    context_length: int
    horizon: int
    segment_length: int
    context_channels: int
    has_missing: bool
    num_future: int
    horizon_channels: int
    num_static: int
    num_series: int
    num_quantiles: int
    median_index: int


@final
class SegmentForecaster(nn.Module):
    """Forecasts the mean and the quantiles of every time step of the horizon. See the docstring of the module.

    shape         the sizes
    cell          cell of the recurrent layers
    hidden_size   features of the hidden state and of the segment embeddings
    num_layers    number of recurrent layers
    dropout       probability between the recurrent layers and before the output layer
    linear_skip   whether a linear map of the context is added to the output
    recursive     whether the segments of the horizon are decoded one after another
    backend       backend of the recurrent layers

    The buffer `quantile_scale` (Q,) stores the factors of the calibration. `forward` does not use it.
    """

    quantile_scale: Tensor

    def __init__(
        self,
        shape: ForecastShape,
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
        self.num_segments = -(-shape.horizon // w)
        self.segment_projection = nn.Linear(w * shape.context_channels, hidden_size)
        self.recurrent = Recurrent(
            cell,
            hidden_size,
            hidden_size,
            num_layers=num_layers,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.position_embedding = nn.Parameter(torch.randn(1 if recursive else self.num_segments, hidden_size) * 0.1)
        # Index 0 is the embedding of series that are not in the training data.
        self.series_embedding = nn.Embedding(shape.num_series + 1, hidden_size) if shape.num_series else None
        if self.series_embedding is not None:
            nn.init.normal_(self.series_embedding.weight, std=0.1)
        self.static_projection = nn.Linear(shape.num_static, hidden_size) if shape.num_static else None
        self.future_projection = nn.Linear(w * shape.horizon_channels, hidden_size) if shape.horizon_channels else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_size, w * (1 + shape.num_quantiles))
        nn.init.normal_(
            self.head.weight, std=0.01
        )  # At the beginning of training, the linear skip connection dominates.
        nn.init.zeros_(self.head.bias)
        self.linear_skip = nn.Linear(shape.context_length, shape.horizon) if linear_skip else None
        if self.linear_skip is not None:
            nn.init.zeros_(self.linear_skip.weight)
            nn.init.zeros_(self.linear_skip.bias)
        self.register_buffer("quantile_scale", torch.ones(shape.num_quantiles))

    def forward(self, x: Tensor, series: Tensor, static: Tensor, future: Tensor) -> Tensor:
        """Return the mean and the quantiles in ascending order, (B, H, 1 + Q), in the scale of the context.

        x        (B, T, I) context
        series   (B,) indices of the series embeddings
        static   (B, S) features of the static covariates
        future   (B, H, C) future covariates and calendar features of the horizon
        """
        B, w, dtype = x.shape[0], self.shape.segment_length, self.position_embedding.dtype
        x, static, future = x.to(dtype), static.to(dtype), future.to(dtype)
        state = self._encode(F.pad(x, (0, 0, -x.shape[1] % w, 0)), None)
        queries = self.position_embedding.expand(B, self.num_segments, -1)
        if self.series_embedding is not None:
            queries = queries + self.series_embedding(series)[:, None]
        if self.static_projection is not None:
            queries = queries + self.static_projection(static)[:, None]
        future = F.pad(future, (0, 0, 0, self.num_segments * w - future.shape[1]))
        if self.future_projection is not None:
            queries = queries + self.future_projection(future.reshape(B, self.num_segments, -1))
        raw = self._recursive(queries, state, future) if self.recursive else self._direct(queries, state)
        raw = raw[:, : self.shape.horizon]
        skip = raw.new_zeros(()) if self.linear_skip is None else self.linear_skip(x[..., 0])[..., None]
        return self._assemble(raw, skip)

    def _encode(self, x: Tensor, state: State | None) -> State:
        """Return the state after the segments of x (B, K * w, I)."""
        segments = x.reshape(x.shape[0], -1, self.segment_projection.in_features)
        final_state: State = self.recurrent(F.relu(self.segment_projection(segments)), state)[1]
        return final_state

    def _decode(self, queries: Tensor, state: State) -> Tensor:
        """Decode one segment for each query (B, E). Returns (B, w, 1 + Q)."""
        y = self.recurrent(queries[:, None], state)[0][:, 0]
        segments: Tensor = self.head(self.dropout(y))
        return segments.reshape(len(queries), self.shape.segment_length, -1)

    def _direct(self, queries: Tensor, state: State) -> Tensor:
        """Decode all segments from the same state."""
        B, K, E = queries.shape
        repeated = state.map(lambda component: component.repeat_interleave(K, 0))
        return self._decode(queries.reshape(B * K, E), repeated).reshape(B, K * self.shape.segment_length, -1)

    def _recursive(self, queries: Tensor, state: State, future: Tensor) -> Tensor:
        """Decode the segments in order. The median of a segment is the input of the next one."""
        w, segments, num_future = self.shape.segment_length, [], self.shape.num_future
        for j in range(self.num_segments):
            segments.append(self._decode(queries[:, j], state))
            if j + 1 < self.num_segments:
                x = segments[-1].new_zeros(len(queries), w, self.shape.context_channels)
                x[..., 0] = segments[-1][..., 1]
                if self.shape.has_missing:
                    x[..., 1] = 1.0
                if num_future:
                    x[..., -num_future:] = future[:, j * w : (j + 1) * w, :num_future]
                state = self._encode(x, state)
        return torch.cat(segments, 1)

    def _assemble(self, raw: Tensor, skip: Tensor) -> Tensor:
        """Combine mean, median and the distances of neighboring quantiles, (B, H, 1 + Q), so that quantiles cannot cross."""
        mean, median = raw[..., :1] + skip, raw[..., 1:2] + skip
        distances, m = F.softplus(raw[..., 2:]), self.shape.median_index
        above = median + distances[..., m:].cumsum(-1)
        below = median - distances[..., :m].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([mean, below, median, above], -1)
