"""From a sequence to a sequence: an encoder, a decoder that attends to what it gives, and an output layer over tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..cells import Cell
from ..data.words.vocabulary import Vocabulary
from ..nn import Recurrent
from ..nn.attention import SelfAttention
from ..nn.dropout import LockedDropout, between_layers
from ..nn.pooling import LastPooling
from .decoder import Decoder, DecoderState


class Encoder(nn.Module):
    """Tokens (B, T) -> a vector for each step (B, T, D*H) and a summary (B, D*H), the last output of each direction.

    `embed` makes (B, T, I) of the tokens. With `self_attention` each step then attends to all steps.
    """

    def __init__(
        self,
        embed: nn.Module,
        embedding_size: int,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = True,
        self_attention: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.embed, self.input_dropout, self.dropout = embed, LockedDropout(input_dropout), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            cell,
            embedding_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.last = LastPooling(hidden_size, 2 if bidirectional else 1)
        self.output_size = self.last.output_size
        self.self_attention = SelfAttention(self.output_size) if self_attention else None

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, _ = self.recurrent(self.input_dropout(self.embed(x)), lengths=lengths)
        summary = self.last(y, lengths)
        if self.self_attention is not None:
            y, _ = self.self_attention(y, lengths)
        return self.dropout(y), self.dropout(summary)


class Answer(NamedTuple):
    """What `SequenceToSequence` says of a batch: scores (M, V) of the live steps, row after row, and where these are."""

    scores: Tensor
    live: Tensor  # (B, S)


class SequenceToSequence(nn.Module):
    """Encoder, decoder and output layer; `tied` gives the output layer the weights of the decoder's embedding.

    The encoder makes values (B, N, V) and their summary (B, V) of a batch and its lengths.
    """

    def __init__(self, encoder: nn.Module, decoder: Decoder, vocabulary_size: int, tied: nn.Embedding | None) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output = nn.Linear(decoder.output_size, vocabulary_size)
        if tied is not None:
            self.output.weight = tied.weight

    def start(self, x: Tensor, lengths: Tensor | None = None) -> DecoderState:
        """Sources (B, T) -> the state before the first step."""
        values, summary = self.encoder(x, lengths)
        return self.decoder.start(values, lengths, summary)

    def forward(self, x: Tensor, lengths: Tensor | None, tokens: Tensor, steps: Tensor) -> Answer:
        """Sources (B, T) and the tokens read before each step (B, S), of which `steps (B,)` count."""
        vectors, _, _ = self.decoder(tokens, self.start(x, lengths), steps)
        live = torch.arange(tokens.shape[1], device=tokens.device) < steps[:, None]
        return Answer(self.output(vectors[live]), live)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """One step: tokens (R,) -> log-probabilities (R, V), the state after, weights (R, N) where there is attention."""
        vectors, state, weights = self.decoder(tokens[:, None], state)
        scores = self.output(vectors[:, 0]).float().log_softmax(-1)
        return scores, state, None if weights is None else weights[:, 0]


def shifted(answers: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (B, S) of which `ends (B,)` count -> those read before each step, an end mark first, and those wanted after it,
    an end mark last, both (B, S + 1)."""
    before, after = (np.full((len(answers), answers.shape[1] + 1), Vocabulary.pad, np.int64) for _ in range(2))
    before[:, 0], before[:, 1:], after[:, :-1] = Vocabulary.end, answers, answers
    after[np.arange(len(answers)), ends] = Vocabulary.end
    return before, after
