"""A stream into one vector: pieces are encoded as far as they are certain, and folded into the encoder's state."""

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
    """Pieces of any size, cut anywhere; the result equals that of the whole at once.

    network   has `push(x, lengths, state)` and `result(state)`
    field     the sequence: text, or numbers over time
    decode    the network's output (1, C) to JSON
    """

    def __init__(self, network: nn.Module, field: Field, decode: Callable[[Tensor], dict[str, Any]]) -> None:
        self.network, self.field, self.decode = network, field, decode
        self.front = field.stream()
        self.state: Any = None

    def push(self, piece: Any) -> None:
        self.state = self._advance(self.front.push(piece))

    def result(self) -> dict[str, Any]:
        state = self._advance(copy.copy(self.front).flush())  # what waits counts as it stands, and waits on
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
    """Why an encoder over `field` cannot read a stream; empty where it can."""
    if bidirectional:
        return "the backward direction needs the end first; --set bidirectional=false streams"
    return field.why_not_streamable() or ""
