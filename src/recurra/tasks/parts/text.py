"""Text into one vector: the defaults, and the stream."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data.vocabulary import Vocabulary
from ...settings import Settings
from ..base import Reading, Session, device_of


class TextSession(Session):
    """Text pushed in pieces of any size, cut anywhere; the result equals that of the whole text at once."""

    def __init__(self, network: nn.Module, vocabulary: Vocabulary, decode: Callable[[Tensor], dict[str, Any]]) -> None:
        self.network, self.vocabulary, self.decode = network, vocabulary, decode
        self.front = vocabulary.stream()
        self.state: Any = None

    def push(self, piece: str) -> None:
        self.state = self._advance(self.front.push(piece))

    def result(self) -> dict[str, Any]:
        state = self._advance(copy.copy(self.front).flush())
        if state is None:
            state = self._run(torch.zeros(1, 0, dtype=torch.long), None)
        with torch.inference_mode():
            return self.decode(self.network.result(state).float().cpu())  # type: ignore[operator]

    def _advance(self, ids: list[int]) -> Any:
        return self._run(torch.tensor([ids]), self.state) if ids else self.state

    def _run(self, ids: Tensor, state: Any) -> Any:
        with torch.inference_mode():
            return self.network.push(ids.to(device_of(self.network)), None, state)  # type: ignore[operator]


def choose_text_settings(settings: Settings, reading: Reading, *, level: str, vocabulary: int) -> Settings:
    """Defaults of an encoder of text, from the number of rows, their lengths and the level.

    Words overfit long before characters do: few rows want stronger dropout and fewer passes.
    """
    lengths: np.ndarray = reading.facts["lengths"]
    words = level == "words"
    small = reading.rows < 3_000
    defaults_model = {
        "hidden_size": 128,
        "num_layers": 1,
        "dropout": 0.5,
        "embedding_size": 128 if words else 64,
        "input_dropout": 0.3 if words else 0.1,
        "token_dropout": 0.1 if words else 0.02,
    }
    longest = int(np.quantile(lengths, 0.99)) if len(lengths) else 1
    defaults_training = {
        "batch_size": 32 if not small else 16,
        "learning_rate": 2e-3,
        "epochs": 6.0,
        "averaging": 0.99,
        "patience": 8,
    }
    defaults_data = {"max_length": max(min(longest, 400), 8), "level": level}
    return settings.with_open(data=defaults_data, model=defaults_model, training=defaults_training)
