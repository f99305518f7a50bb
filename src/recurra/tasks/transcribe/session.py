"""A stream of samples to text."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, final

import torch

from ...decoding.ctc import Hypothesis, ctc_search
from ...fields.audio import Audio
from ..base import Session, device_of
from .ctc_loss import mask_unwritable
from .model import Transcriber, TranscriberState


@final
class TranscribeSession(Session):
    """Samples in pieces of any size; the text so far at any time.

    beam     of the search
    decode   the search's hypothesis to JSON
    """

    def __init__(
        self, network: Transcriber, field: Audio, beam_size: int, decode: Callable[[Hypothesis], dict[str, Any]]
    ) -> None:
        self.network, self.decode = network, decode
        self.frames, self.search = field.stream(), ctc_search(beam_size)
        self.state: TranscriberState | None = None

    def push(self, piece: Any) -> None:
        """Samples (n,) in [-1, 1], or 16-bit integers, at the run's rate."""
        frames = self.frames.push(piece)
        if len(frames):
            x = torch.from_numpy(frames)[None].to(device_of(self.network))
            with torch.inference_mode():
                log_probs, self.state = self.network.push(x, self.state)
            self.search.push(mask_unwritable(log_probs)[0])

    def result(self) -> dict[str, Any]:
        search = copy.copy(self.search)
        if self.state is not None:
            with torch.inference_mode():
                log_probs = self.network.flush(self.state)
            search.push(mask_unwritable(log_probs)[0])
        return self.decode(search.best())
