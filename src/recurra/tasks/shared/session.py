"""Streaming inference of N-to-1 tasks: chunks are encoded and read by the encoder as they arrive."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...fields.base import Field
from ..base import Session, device_of


class VectorSession(Session):
    """Streams a sequence into one result, which equals the result of the whole sequence however it is split into chunks.

    Args:
        network: a network with `push(x, lengths, state)` and `result(state)`.
        field: the input field: text, or numbers over time.
        decode: converts the output of the network, (1, C), to JSON.
    """

    def __init__(self, network: nn.Module, field: Field, decode: Callable[[Tensor], dict[str, Any]]) -> None:
        self.network, self.field, self.decode = network, field, decode
        self.stream = field.stream()
        self.state: Any = None

    def push(self, piece: Any) -> None:
        """Read the next chunk. Input that a later chunk could change, such as an unfinished word, is buffered."""
        self.state = self._advance(self.stream.push(piece))

    def result(self) -> dict[str, Any]:
        """The result for the input so far, buffered input included."""
        state = self._advance(copy.copy(self.stream).flush())  # flushes a copy, so that the stream can continue
        if state is None:
            state = self._run(self.field.empty(), None)
        with torch.inference_mode():
            return self.decode(self.network.result(state).float().cpu())  # type: ignore[operator]

    def _advance(self, steps: Any) -> Any:
        return self._run(np.asarray(steps), self.state) if len(steps) else self.state

    def _run(self, steps: np.ndarray, state: Any) -> Any:
        x = torch.from_numpy(steps)[None].to(device_of(self.network))
        with torch.inference_mode():
            return self.network.push(x, None, state)  # type: ignore[operator]


def why_not_streamable(bidirectional: bool, field: Field) -> str:
    """Return the reason why an encoder over `field` cannot stream; an empty string where it can."""
    if bidirectional:
        return "the backward direction needs the end of the sequence first; --set bidirectional=false enables streaming"
    return field.why_not_streamable() or ""
