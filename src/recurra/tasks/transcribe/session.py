"""Streaming transcription of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, final

import torch

from ...decoding.ctc import CtcHypothesis, ctc_search
from ...fields.audio import Audio
from ..base import Session, device_of
from .ctc_loss import mask_unwritable
from .model import Transcriber, TranscriberState


@final
class TranscribeSession(Session):
    """Takes samples in chunks of any size and returns the text so far at any time.

    Args:
        network: the trained network; it must not be bidirectional.
        field: the field of the audio.
        beam_size: beam size of the search.
        decode: converts a hypothesis to JSON.
    """

    def __init__(
        self, network: Transcriber, field: Audio, beam_size: int, decode: Callable[[CtcHypothesis], dict[str, Any]]
    ) -> None:
        self.network, self.decode = network, decode
        self.frames, self.search = field.stream(), ctc_search(beam_size)
        self.state: TranscriberState | None = None

    def push(self, piece: Any) -> None:
        """Add samples (n,) in [-1, 1], or 16-bit integers, at the sample rate of the run."""
        frames = self.frames.push(piece)
        if len(frames):
            x = torch.from_numpy(frames)[None].to(device_of(self.network))
            with torch.inference_mode():
                log_probs, self.state = self.network.push(x, self.state)
            self.search.push(mask_unwritable(log_probs)[0])

    def result(self) -> dict[str, Any]:
        """Return the text of all samples so far and its score."""
        search = copy.copy(self.search)
        if self.state is not None:
            with torch.inference_mode():
                log_probs = self.network.flush(self.state)
            search.push(mask_unwritable(log_probs)[0])
        return self.decode(search.best())
