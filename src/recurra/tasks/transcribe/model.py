"""The network of transcribe: from frames of sound to the probability of each unit at each step, whole or as a stream."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...models.frames import Augment, Stacking
from ...nn import Recurrent, State
from ...nn.dropout import LockedDropout, between_layers


class TranscriberState(NamedTuple):
    """The state of a stream: frames (B, t, I) that do not fill a step yet, and the recurrent layers' state."""

    waiting: Tensor
    recurrent: State | None


@final
class Transcriber(nn.Module):
    """Frames (B, T, I) -> stacked -> recurrent layers -> log-probabilities of V units (B, S, V), a blank among them."""

    def __init__(
        self,
        bands: int,
        cell: Cell,
        units: int,
        *,
        frame_stacking: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        input_dropout: float,
        speed_perturbation: float,
        specaugment_masks: int,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.augment, self.stacking = Augment(speed_perturbation, specaugment_masks), Stacking(frame_stacking)
        self.input_dropout, self.dropout = LockedDropout(input_dropout), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            cell,
            bands * frame_stacking,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.head = nn.Linear(hidden_size * (2 if bidirectional else 1), units)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(log-probabilities (B, S, V), valid steps (B,))"""
        x, lengths = self.augment(x.to(self.head.weight.dtype), lengths)
        x, steps = self.stacking(x, lengths)
        y, _ = self.recurrent(self.input_dropout(x), lengths=steps)
        return self._log_probs(y), steps

    def _log_probs(self, y: Tensor) -> Tensor:
        scores: Tensor = self.head(self.dropout(y))
        return (
            scores.float().log_softmax(-1) if scores.dtype in (torch.bfloat16, torch.half) else scores.log_softmax(-1)
        )

    def push(self, x: Tensor, state: TranscriberState | None = None) -> tuple[Tensor, TranscriberState]:
        """The next frames (B, t, I) of a stream -> log-probabilities of the steps they fill (B, s, V), and the state."""
        waiting, recurrent = (None, None) if state is None else state
        full, waiting = self.stacking.whole(x.to(self.head.weight.dtype), waiting)
        log_probs, recurrent = self._run(full, recurrent)
        return log_probs, TranscriberState(waiting, recurrent)

    def flush(self, state: TranscriberState) -> Tensor:
        """The step that is not full: (B, 0 or 1, V)."""
        return self._run(state.waiting, state.recurrent)[0]

    def _run(self, frames: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        x, _ = self.stacking(frames)
        if not x.shape[1]:
            return x.new_zeros(len(x), 0, self.head.out_features), state
        y, state = self.recurrent(x, state)
        return self._log_probs(y), state
