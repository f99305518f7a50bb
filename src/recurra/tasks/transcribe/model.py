"""From frames of sound to the probability of each unit at each step, whole or as a stream; and the stream's session."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...cells import Cell
from ...decoding.ctc import Guess, Search
from ...fields.audio import Audio
from ...models.frames import Augment, Stacking
from ...nn import Recurrent, State
from ...nn.dropout import LockedDropout, between_layers
from ..base import Session, device_of


class HeardState(NamedTuple):
    """Where a stream stands: frames (B, t, I) that do not fill a step yet, and the recurrent layers' state."""

    waiting: Tensor
    recurrent: State | None


class Transcriber(nn.Module):
    """Frames (B, T, I) -> stacked -> recurrent layers -> log-probabilities of V units (B, S, V), a blank among them."""

    def __init__(
        self,
        bands: int,
        cell: Cell,
        units: int,
        *,
        stack: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        input_dropout: float,
        warp: float,
        masks: int,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.augment, self.stacking = Augment(warp, masks), Stacking(stack)
        self.input_dropout, self.dropout = LockedDropout(input_dropout), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            cell,
            bands * stack,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.head = nn.Linear(hidden_size * (2 if bidirectional else 1), units)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(log-probabilities (B, S, V), live steps (B,))"""
        x, lengths = self.augment(x.to(self.head.weight.dtype), lengths)
        x, steps = self.stacking(x, lengths)
        y, _ = self.recurrent(self.input_dropout(x), lengths=steps)
        return self._heard(y), steps

    def _heard(self, y: Tensor) -> Tensor:
        scores: Tensor = self.head(self.dropout(y))
        return (
            scores.float().log_softmax(-1) if scores.dtype in (torch.bfloat16, torch.half) else scores.log_softmax(-1)
        )

    def push(self, x: Tensor, state: HeardState | None = None) -> tuple[Tensor, HeardState]:
        """The next frames (B, t, I) of a stream -> log-probabilities of the steps they fill (B, s, V), and the state."""
        waiting, recurrent = (None, None) if state is None else state
        whole, waiting = self.stacking.whole(x.to(self.head.weight.dtype), waiting)
        heard, recurrent = self._run(whole, recurrent)
        return heard, HeardState(waiting, recurrent)

    def flush(self, state: HeardState) -> Tensor:
        """The step that is not full: (B, 0 or 1, V)."""
        return self._run(state.waiting, state.recurrent)[0]

    def _run(self, frames: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        x, _ = self.stacking(frames)
        if not x.shape[1]:
            return x.new_zeros(len(x), 0, self.head.out_features), state
        y, state = self.recurrent(x, state)
        return self._heard(y), state


class TranscribeSession(Session):
    """Samples in pieces of any size; the text so far at any time.

    writable  log-probabilities (1, s, V) to what the search takes
    decode    the search's best guess to JSON
    """

    def __init__(
        self,
        network: Transcriber,
        field: Audio,
        search: Search,
        writable: Callable[[Tensor], np.ndarray],
        decode: Callable[[Guess], dict[str, Any]],
    ) -> None:
        self.network, self.search, self.writable, self.decode = network, search, writable, decode
        self.front = field.stream()
        self.state: HeardState | None = None

    def push(self, piece: Any) -> None:
        """Samples (n,) in [-1, 1], or 16-bit integers, at the run's rate."""
        frames = self.front.push(piece)
        if len(frames):
            x = torch.from_numpy(frames)[None].to(device_of(self.network))
            with torch.inference_mode():
                heard, self.state = self.network.push(x, self.state)
            self.search.push(self.writable(heard)[0])

    def result(self) -> dict[str, Any]:
        search = copy.copy(self.search)
        if self.state is not None:
            with torch.inference_mode():
                search.push(self.writable(self.network.flush(self.state))[0])
        return self.decode(search.best())
