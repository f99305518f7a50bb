"""The network of transcribe: computes the probability of each unit at each step, of a recording or of a stream."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...models.frames import FrameStacking, SpectrogramAugmentation
from ...nn import Recurrent, State
from ...nn.dropout import LockedDropout, between_layers


class TranscriberState(NamedTuple):
    """The state of a stream.

    Attributes:
        pending: frames (B, t, I) that do not fill a step yet.
        recurrent: the state of the recurrent layers, or None before the first step.
    """

    pending: Tensor
    recurrent: State | None


@final
class Transcriber(nn.Module):
    """Stacked frames, recurrent layers, and a linear layer that gives log-probabilities of the units and the blank.

    Args:
        n_mels: number of features of a frame.
        cell: cell of the recurrent layers.
        units: V, the number of units including the blank.
        frame_stacking: number of frames per time step.
        hidden_size: size of the hidden state, per direction.
        num_layers: number of recurrent layers.
        bidirectional: whether the layers read both directions. Streaming requires one direction.
        dropout: dropout probability between the layers and before the output layer.
        input_dropout: dropout probability of the features, with one mask for all steps.
        speed_perturbation, specaugment_masks: see `SpectrogramAugmentation`.
        backend: backend of the recurrent layers.
    """

    def __init__(
        self,
        n_mels: int,
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
        self.augmentation = SpectrogramAugmentation(speed_perturbation, specaugment_masks)
        self.stacking = FrameStacking(frame_stacking)
        self.input_dropout, self.dropout = LockedDropout(input_dropout), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            cell,
            n_mels * frame_stacking,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.head = nn.Linear(hidden_size * (2 if bidirectional else 1), units)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (B, S, V) and the numbers of valid steps (B,) of frames (B, T, I) and `lengths (B,)`."""
        x, lengths = self.augmentation(x.to(self.head.weight.dtype), lengths)
        x, steps = self.stacking(x, lengths)
        y, _ = self.recurrent(self.input_dropout(x), lengths=steps)
        return self._log_probs(y), steps

    def _log_probs(self, y: Tensor) -> Tensor:
        scores: Tensor = self.head(self.dropout(y))
        return (
            scores.float().log_softmax(-1) if scores.dtype in (torch.bfloat16, torch.half) else scores.log_softmax(-1)
        )

    def push(self, x: Tensor, state: TranscriberState | None = None) -> tuple[Tensor, TranscriberState]:
        """Return the log-probabilities (B, s, V) of the steps that the next frames (B, t, I) complete, and the new state."""
        pending, recurrent = (None, None) if state is None else state
        complete, pending = self.stacking.split_pending(x.to(self.head.weight.dtype), pending)
        log_probs, recurrent = self._run(complete, recurrent)
        return log_probs, TranscriberState(pending, recurrent)

    def flush(self, state: TranscriberState) -> Tensor:
        """Return the log-probabilities of the incomplete last step: (B, 0 or 1, V)."""
        return self._run(state.pending, state.recurrent)[0]

    def _run(self, frames: Tensor, state: State | None) -> tuple[Tensor, State | None]:
        x, _ = self.stacking(frames)
        if not x.shape[1]:
            return x.new_zeros(len(x), 0, self.head.out_features), state
        y, state = self.recurrent(x, state)
        return self._log_probs(y), state
